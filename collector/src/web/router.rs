//! Every route a row: method, path, who may, how large a body, handler. What has no row is refused, and no row is without
//! the right that it needs.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::{StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use picket_shared::batch::MAX_BODY;
use picket_shared::manual;
use picket_shared::wire::{ASSIGNMENTS_PATH, BATCHES_PATH, HELLO_PATH, KEYS_PATH, MANUAL_PATH, TIME_PATH};
use tokio::sync::Semaphore;

use super::error::Problem;
use super::guard::client::{self, Proxies};
use super::guard::headers::{self, Transport};
use super::guard::quota::{self, Class};
use super::guard::{admin_404, csrf, host, key, rate_limit, session};
use super::route::{HEALTH, api, change, page, probes};
use super::{Site, api, assets, health, metrics, probe, ui, well_known};
use crate::domain::access::Right;

pub use super::route::{Route, Who};

/// Requests worked on at once; a long poll of a probe is one.
const AT_ONCE: usize = 4096;

/// The table.
pub const ROUTES: &[Route] = &[
    page("/assets/{hash}/{name}", Who::Anyone, || get(assets::get_asset)),
    page("/sign-in", Who::Visitor, || get(ui::sign_in::get_sign_in)),
    change("/sign-in", Who::Visitor, || post(ui::sign_in::post_sign_in)),
    change("/sign-out", Who::Person, || post(ui::sign_in::post_sign_out)),
    page("/sign-in/code", Who::Visitor, || get(ui::second_step::get_code)),
    change("/sign-in/code", Who::Visitor, || post(ui::second_step::post_code)),
    change("/sign-in/passkey", Who::Visitor, || post(ui::passkey::post_sign_in)),
    change("/sign-in/passkey/options", Who::Visitor, || post(ui::passkey::post_sign_in_options)),
    change("/sign-in/code/passkey", Who::Visitor, || post(ui::passkey::post_second)),
    change("/sign-in/code/passkey/options", Who::Visitor, || post(ui::passkey::post_second_options)),
    page("/sign-in/link", Who::Visitor, || get(ui::link::ask::get_ask)),
    change("/sign-in/link", Who::Visitor, || post(ui::link::ask::post_ask)),
    page("/sign-up", Who::Visitor, || get(ui::link::ask::get_sign_up)),
    change("/sign-up", Who::Visitor, || post(ui::link::ask::post_sign_up)),
    page("/link/{link}", Who::Visitor, || get(ui::link::get_link)),
    change("/link/{link}", Who::Visitor, || post(ui::link::post_link)),
    page("/invitation/{link}", Who::Visitor, || get(ui::invitation::get_invitation)),
    change("/invitation/{link}", Who::Visitor, || post(ui::invitation::post_invitation)),
    page("/step-up", Who::User(Right::AccountRead), || get(ui::step_up::get_step_up)),
    change("/step-up", Who::User(Right::AccountWrite), || post(ui::step_up::post_step_up)),
    change("/step-up/passkey", Who::User(Right::AccountWrite), || post(ui::passkey::post_step_up)),
    change("/step-up/passkey/options", Who::User(Right::AccountWrite), || post(ui::passkey::post_step_up_options)),
    page("/set-up/{link}", Who::Visitor, || get(ui::set_up::get_set_up)),
    change("/set-up/{link}", Who::Visitor, || post(ui::set_up::post_set_up)),
    page("/account", Who::User(Right::AccountRead), || get(ui::account::get_account)),
    change("/account/password", Who::User(Right::AccountWrite), || post(ui::account::post_password)),
    change("/account/confirm", Who::User(Right::AccountWrite), || post(ui::account::post_confirm)),
    change("/account/sessions/{id}/end", Who::User(Right::AccountWrite), || post(ui::account::sessions::post_end)),
    change("/account/sessions/end-others", Who::User(Right::AccountWrite), || {
        post(ui::account::sessions::post_end_others)
    }),
    page("/account/email", Who::Proven(Right::AccountWrite), || get(ui::account::email::get_email)),
    change("/account/email", Who::Proven(Right::AccountWrite), || post(ui::account::email::post_email)),
    page("/account/second-factor", Who::Proven(Right::AccountWrite), || {
        get(ui::account::second_factor::get_second_factor)
    }),
    change("/account/second-factor", Who::Proven(Right::AccountWrite), || {
        post(ui::account::second_factor::post_second_factor)
    }),
    page("/account/data", Who::Proven(Right::AccountRead), || get(ui::account::data::get_data)),
    page("/account/data/export", Who::Proven(Right::AccountRead), || get(ui::account::data::get_export)),
    change("/account/data", Who::Proven(Right::AccountRead), || post(ui::account::data::post_exports)),
    page("/account/data/exports/{id}/file", Who::Proven(Right::AccountRead), || get(ui::account::data::get_file)),
    page("/account/delete", Who::Proven(Right::AccountWrite), || get(ui::closing::get_account)),
    change("/account/delete", Who::Proven(Right::AccountWrite), || post(ui::closing::post_account)),
    page("/organization/delete", Who::Proven(Right::MembersWrite), || get(ui::closing::get_organization)),
    change("/organization/delete", Who::Proven(Right::MembersWrite), || post(ui::closing::post_organization)),
    page("/organization/residency", Who::User(Right::MembersRead), || get(ui::residency::get_residency)),
    change("/organization/residency", Who::Proven(Right::MembersWrite), || post(ui::residency::post_residency)),
    page("/sub-processors", Who::Anyone, || get(ui::papers::get_sub_processors)),
    page("/organization/dpa", Who::User(Right::AccountRead), || get(ui::papers::get_agreement)),
    page("/organization/dpa/download", Who::User(Right::AccountRead), || get(ui::papers::get_download)),
    page("/organization/dpa/accept", Who::Proven(Right::MembersWrite), || get(ui::papers::get_accept)),
    change("/organization/dpa/accept", Who::Proven(Right::MembersWrite), || post(ui::papers::post_accept)),
    page("/posture", Who::User(Right::AccountRead), || get(ui::posture::get_posture)),
    page("/posture/export", Who::User(Right::AccountRead), || get(ui::posture::get_export)),
    page("/trust", Who::Anyone, || get(ui::posture::get_trust)),
    page("/trust/{link}", Who::Anyone, || get(ui::posture::get_linked)),
    page("/events", Who::User(Right::EventsRead), || get(ui::events::get_events)),
    page("/", Who::User(Right::MonitorsRead), || get(ui::dashboard::get_dashboard)),
    page("/monitors/new", Who::User(Right::MonitorsWrite), || get(ui::monitor::edit::get_new)),
    change("/monitors/new", Who::User(Right::MonitorsWrite), || post(ui::monitor::edit::post_new)),
    change("/monitors/test", Who::User(Right::MonitorsWrite), || post(ui::monitor::trial::post_new)),
    change("/monitors/{id}/test", Who::User(Right::MonitorsWrite), || post(ui::monitor::trial::post_edit)),
    page("/monitors/{id}", Who::User(Right::MonitorsRead), || get(ui::monitor::show::get_monitor)),
    change("/monitors/{id}/regional-alert", Who::User(Right::MonitorsWrite), || post(ui::monitor::post_regional_alert)),
    page("/incidents", Who::User(Right::IncidentsRead), || get(ui::incident::list::get_incidents)),
    page("/incidents/new", Who::User(Right::IncidentsWrite), || get(ui::incident::open::get_new)),
    change("/incidents/new", Who::User(Right::IncidentsWrite), || post(ui::incident::open::post_new)),
    page("/incidents/{id}", Who::User(Right::IncidentsRead), || get(ui::incident::show::get_incident)),
    change("/incidents/{id}/acknowledge", Who::User(Right::IncidentsWrite), || post(ui::incident::post_acknowledge)),
    change("/incidents/{id}/assign", Who::User(Right::IncidentsWrite), || post(ui::incident::post_assign)),
    change("/incidents/{id}/comments", Who::User(Right::IncidentsWrite), || post(ui::incident::post_comment)),
    change("/incidents/{id}/resolve", Who::User(Right::IncidentsWrite), || post(ui::incident::post_resolve)),
    change("/incidents/{id}/reopen", Who::User(Right::IncidentsWrite), || post(ui::incident::post_reopen)),
    change("/incidents/{id}/post-mortem", Who::User(Right::IncidentsWrite), || post(ui::incident::post_post_mortem)),
    page("/monitors/{id}/series", Who::User(Right::ResultsRead), || get(ui::monitor::series::get_series)),
    page("/monitors/{id}/edit", Who::User(Right::MonitorsWrite), || get(ui::monitor::edit::get_edit)),
    change("/monitors/{id}/edit", Who::User(Right::MonitorsWrite), || post(ui::monitor::edit::post_edit)),
    change("/monitors/{id}/pause", Who::User(Right::MonitorsWrite), || post(ui::monitor::switch::post_pause)),
    change("/monitors/{id}/resume", Who::User(Right::MonitorsWrite), || post(ui::monitor::switch::post_resume)),
    change("/monitors/{id}/delete", Who::User(Right::MonitorsWrite), || post(ui::monitor::switch::post_delete)),
    change("/monitors/{id}/restore", Who::User(Right::MonitorsWrite), || post(ui::monitor::switch::post_restore)),
    page("/channels", Who::User(Right::ChannelsRead), || get(ui::channel::list::get_channels)),
    page("/channels/new", Who::User(Right::ChannelsWrite), || get(ui::channel::edit::get_new)),
    change("/channels/new", Who::User(Right::ChannelsWrite), || post(ui::channel::edit::post_new)),
    page("/channels/{id}", Who::User(Right::ChannelsRead), || get(ui::channel::show::get_channel)),
    change("/channels/{id}/verify", Who::User(Right::ChannelsWrite), || post(ui::channel::show::post_verify)),
    change("/channels/{id}/prove", Who::User(Right::ChannelsWrite), || post(ui::channel::show::post_prove)),
    change("/channels/{id}/test", Who::User(Right::ChannelsWrite), || post(ui::channel::show::post_test)),
    change("/channels/{id}/rename", Who::User(Right::ChannelsWrite), || post(ui::channel::show::post_rename)),
    change("/channels/{id}/remove", Who::User(Right::ChannelsWrite), || post(ui::channel::show::post_remove)),
    page("/channels/{id}/settings", Who::User(Right::ChannelsWrite), || get(ui::channel::edit::get_settings)),
    change("/channels/{id}/settings", Who::User(Right::ChannelsWrite), || post(ui::channel::edit::post_settings)),
    page("/probes", Who::User(Right::ProbesRead), || get(ui::probe::get_probes)),
    page("/probes/new", Who::User(Right::ProbesWrite), || get(ui::probe::get_new)),
    change("/probes/new", Who::User(Right::ProbesWrite), || post(ui::probe::post_new)),
    change("/probes/{id}/revoke", Who::User(Right::ProbesWrite), || post(ui::probe::post_revoke)),
    page("/keys", Who::User(Right::KeysRead), || get(ui::key::get_keys)),
    page("/keys/new", Who::Proven(Right::KeysWrite), || get(ui::key::get_new)),
    change("/keys/new", Who::Proven(Right::KeysWrite), || post(ui::key::post_new)),
    page("/keys/{id}/revoke", Who::Proven(Right::KeysWrite), || get(ui::key::get_revoke)),
    change("/keys/{id}/revoke", Who::Proven(Right::KeysWrite), || post(ui::key::post_revoke)),
    page("/organizations", Who::Person, || get(ui::organization::get_organizations)),
    page("/organizations/new", Who::Person, || get(ui::organization::get_new)),
    change("/organizations/new", Who::Person, || post(ui::organization::post_new)),
    change("/organizations/{id}/choose", Who::Person, || post(ui::organization::post_choose)),
    page("/members", Who::User(Right::MembersRead), || get(ui::member::get_members)),
    page("/members/review", Who::User(Right::MembersReview), || get(ui::member::review::get_review)),
    page("/members/review/export", Who::User(Right::MembersReview), || get(ui::member::review::get_export)),
    page("/members/leave", Who::Proven(Right::AccountWrite), || get(ui::member::change::get_leave)),
    change("/members/leave", Who::Proven(Right::AccountWrite), || post(ui::member::change::post_leave)),
    page("/members/policy", Who::Proven(Right::MembersWrite), || get(ui::member::policy::get_policy)),
    change("/members/policy", Who::Proven(Right::MembersWrite), || post(ui::member::policy::post_policy)),
    page("/members/invite", Who::Proven(Right::MembersWrite), || get(ui::member::invite::get_invite)),
    change("/members/invite", Who::Proven(Right::MembersWrite), || post(ui::member::invite::post_invite)),
    page("/members/services/new", Who::Proven(Right::MembersWrite), || get(ui::member::service::get_new)),
    change("/members/services/new", Who::Proven(Right::MembersWrite), || post(ui::member::service::post_new)),
    page("/members/{id}/keys/new", Who::Proven(Right::MembersWrite), || get(ui::member::service::get_key)),
    change("/members/{id}/keys/new", Who::Proven(Right::MembersWrite), || post(ui::member::service::post_key)),
    page("/members/invitations/{id}/send", Who::Proven(Right::MembersWrite), || get(ui::member::invite::get_send)),
    change("/members/invitations/{id}/send", Who::Proven(Right::MembersWrite), || post(ui::member::invite::post_send)),
    page("/members/invitations/{id}/revoke", Who::Proven(Right::MembersWrite), || get(ui::member::invite::get_revoke)),
    change("/members/invitations/{id}/revoke", Who::Proven(Right::MembersWrite), || {
        post(ui::member::invite::post_revoke)
    }),
    page("/members/{id}/role", Who::Proven(Right::MembersWrite), || get(ui::member::change::get_role)),
    change("/members/{id}/role", Who::Proven(Right::MembersWrite), || post(ui::member::change::post_role)),
    page("/members/{id}/end", Who::Proven(Right::MembersWrite), || get(ui::member::end::get_end)),
    change("/members/{id}/end", Who::Proven(Right::MembersWrite), || post(ui::member::end::post_end)),
    page("/members/{id}/remove", Who::Proven(Right::MembersWrite), || get(ui::member::remove::get_remove)),
    change("/members/{id}/remove", Who::Proven(Right::MembersWrite), || post(ui::member::remove::post_remove)),
    page("/members/{id}/transfer", Who::Proven(Right::MembersWrite), || get(ui::member::change::get_transfer)),
    change("/members/{id}/transfer", Who::Proven(Right::MembersWrite), || post(ui::member::change::post_transfer)),
    page("/management", Who::User(Right::MembersRead), || get(ui::management::get_management)),
    page("/management/give", Who::Proven(Right::ManagementWrite), || get(ui::management::give::get_give)),
    change("/management/give", Who::Proven(Right::ManagementWrite), || post(ui::management::give::post_give)),
    page("/management/{id}/revoke", Who::Proven(Right::ManagementWrite), || get(ui::management::answer::get_revoke)),
    change("/management/{id}/revoke", Who::Proven(Right::ManagementWrite), || {
        post(ui::management::answer::post_revoke)
    }),
    page("/portfolio", Who::User(Right::PortfolioRead), || get(ui::portfolio::get_portfolio)),
    page("/portfolio/{id}/accept", Who::Proven(Right::ManagementWrite), || get(ui::management::answer::get_accept)),
    change("/portfolio/{id}/accept", Who::Proven(Right::ManagementWrite), || post(ui::management::answer::post_accept)),
    page("/portfolio/{id}/leave", Who::Proven(Right::ManagementWrite), || get(ui::management::answer::get_leave)),
    change("/portfolio/{id}/leave", Who::Proven(Right::ManagementWrite), || post(ui::management::answer::post_leave)),
    page("/audit", Who::User(Right::AuditRead), || get(ui::audit::get_audit)),
    page("/audit/export", Who::User(Right::AuditRead), || get(ui::audit::get_export)),
    page("/import", Who::User(Right::MonitorsWrite), || get(ui::import::get_import)),
    Route {
        method: "POST",
        path: "/import",
        who: Who::User(Right::MonitorsWrite),
        body_limit: ui::import::LIMIT,
        operation: None,
        handler: || post(ui::import::post_import).layer(DefaultBodyLimit::max(ui::import::LIMIT)),
    },
    change("/import/release", Who::User(Right::MonitorsWrite), || post(ui::import::post_release)),
    page("/admin", Who::Admin, || get(ui::admin::get_overview)),
    page("/admin/regions", Who::Admin, || get(ui::admin::probes::get_regions)),
    page("/admin/probes", Who::Admin, || get(ui::admin::probes::get_probes)),
    page("/admin/probes/new", Who::Admin, || get(ui::admin::probes::get_new)),
    change("/admin/probes/new", Who::Admin, || post(ui::admin::probes::post_new)),
    change("/admin/probes/{id}/revoke", Who::Admin, || post(ui::admin::probes::post_revoke)),
    page("/admin/organizations", Who::Admin, || get(ui::admin::organizations::get_organizations)),
    page("/admin/users", Who::Admin, || get(ui::admin::users::get_users)),
    change("/admin/users/{id}/unlock", Who::Admin, || post(ui::admin::users::post_unlock)),
    change("/admin/users/{id}/end-sessions", Who::Admin, || post(ui::admin::users::post_end_sessions)),
    page("/admin/recovery", Who::Admin, || get(ui::admin::recovery::get_recovery)),
    page("/admin/privacy", Who::Admin, || get(ui::admin::privacy::get_privacy)),
    page("/admin/breaches", Who::Admin, || get(ui::admin::breaches::get_breaches)),
    change("/admin/breaches", Who::Admin, || post(ui::admin::breaches::post_breach)),
    page("/admin/breaches/{id}", Who::Admin, || get(ui::admin::breaches::get_breach)),
    change("/admin/breaches/{id}", Who::Admin, || post(ui::admin::breaches::post_change)),
    change("/admin/breaches/{id}/tell", Who::Admin, || post(ui::admin::breaches::post_tell)),
    change("/admin/breaches/{id}/close", Who::Admin, || post(ui::admin::breaches::post_close)),
    page("/admin/grants", Who::Admin, || get(ui::admin::grants::get_grants)),
    change("/admin/grants", Who::Admin, || post(ui::admin::grants::post_grant)),
    change("/admin/grants/{id}/revoke", Who::Admin, || post(ui::admin::grants::post_revoke)),
    api(&api::account::EXPORT),
    api(&api::erasure::ACCOUNT),
    api(&api::erasure::ORGANIZATION),
    api(&api::account::SESSIONS),
    api(&api::account::END_SESSION),
    api(&api::account::END_SESSIONS),
    api(&api::posture::LIST),
    api(&api::posture::EXPORT),
    api(&api::papers::SUB_PROCESSORS),
    api(&api::papers::AGREEMENT),
    api(&api::papers::ACCEPT),
    api(&api::keys::LIST),
    api(&api::keys::CREATE),
    api(&api::keys::GET),
    api(&api::keys::REVOKE),
    api(&api::monitors::LIST),
    api(&api::monitors::CREATE),
    api(&api::monitors::PUT_MANY),
    api(&api::monitors::GET_KEYED),
    api(&api::monitors::PUT_ONE),
    api(&api::monitors::GET),
    api(&api::monitors::CHANGE),
    api(&api::monitors::DELETE),
    api(&api::monitors::PAUSE),
    api(&api::monitors::RESUME),
    api(&api::monitors::REGIONAL_ALERT),
    api(&api::results::LIST),
    api(&api::incidents::LIST),
    api(&api::incidents::CREATE),
    api(&api::incidents::GET),
    api(&api::incidents::TIMELINE),
    api(&api::incidents::ACKNOWLEDGE),
    api(&api::incidents::ASSIGN),
    api(&api::incidents::COMMENT),
    api(&api::incidents::RESOLVE),
    api(&api::incidents::REOPEN),
    api(&api::incidents::POST_MORTEM),
    api(&api::audit::LIST),
    api(&api::members::LIST),
    api(&api::review::GET),
    api(&api::members::GET),
    api(&api::members::CHANGE),
    api(&api::members::SET),
    api(&api::holdings::REMOVE),
    api(&api::holdings::GET),
    api(&api::services::CREATE),
    api(&api::services::MAKE_KEY),
    api(&api::members::TRANSFER),
    api(&api::members::LEAVE),
    api(&api::invitations::LIST),
    api(&api::invitations::CREATE),
    api(&api::invitations::GET),
    api(&api::invitations::SEND),
    api(&api::invitations::REVOKE),
    api(&api::managements::LIST),
    api(&api::managements::GIVE),
    api(&api::managements::GET),
    api(&api::managements::REVOKE),
    api(&api::managements::LIST_MANAGED),
    api(&api::managements::GET_MANAGED),
    api(&api::managements::ACCEPT),
    api(&api::managements::LEAVE),
    api(&api::portfolio::LIST),
    api(&api::organization::GET),
    api(&api::organization::CHANGE),
    api(&api::import::IMPORT),
    api(&api::exports::ASK_ACCOUNT),
    api(&api::exports::GET_ACCOUNT),
    api(&api::exports::FILE_ACCOUNT),
    api(&api::exports::ASK_ORGANIZATION),
    api(&api::exports::GET_ORGANIZATION),
    api(&api::exports::FILE_ORGANIZATION),
    api(&api::channels::LIST),
    api(&api::channels::CREATE),
    api(&api::channels::GET),
    api(&api::channels::RENAME),
    api(&api::channels::REPLACE),
    api(&api::channels::REMOVE),
    api(&api::channels::PROVE),
    api(&api::channels::VERIFY),
    api(&api::channels::TEST),
    page("/api/v1/openapi.json", Who::Anyone, || get(api::openapi::get_openapi)),
    page(well_known::SECURITY_TXT, Who::Anyone, || get(well_known::get_security_txt)),
    page(HEALTH, Who::Anyone, || get(health::get_health)),
    page("/metrics", Who::Scraper, || get(metrics::get_metrics)),
    Route {
        method: "GET",
        path: TIME_PATH,
        who: Who::NewProbe,
        body_limit: 0,
        operation: None,
        handler: || get(probe::get_time),
    },
    probes("POST", HELLO_PATH, probe::HELLO_LIMIT, || post(probe::hello::post_hello)),
    probes("GET", KEYS_PATH, 0, || get(probe::keys::get_keys)),
    probes("GET", ASSIGNMENTS_PATH, 0, || get(probe::assignments::get_assignments)),
    probes("POST", BATCHES_PATH, MAX_BODY, || post(probe::batches::post_batch)),
    probes("POST", MANUAL_PATH, manual::MAX_BODY, || post(probe::manual::post_manual)),
];

/// Whom a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody: every route.
    Everyone,
    /// Probes: their routes, and nothing else.
    Probes,
}

/// The whole site, or what of it is for probes.
pub fn router(site: Site, transport: Transport, audience: Audience, proxies: Arc<Proxies>) -> Router {
    let hosts = Arc::clone(&site.hosts);
    let served = |route: &&Route| match audience {
        Audience::Everyone => route.who != Who::Admin,
        Audience::Probes => matches!(route.who, Who::Probe | Who::NewProbe),
    };
    let table = ROUTES.iter().filter(served).fold(Router::new(), |router, route| {
        let handler = (route.handler)();
        // What is not counted is not asked for an account or a key either.
        let class = route.class().unwrap_or(Class::Read);
        let handler = match route.who {
            Who::Anyone | Who::Scraper | Who::Probe | Who::NewProbe => handler,
            Who::Visitor => handler.layer(from_fn_with_state(Arc::clone(&site.front.origins), csrf::check)),
            Who::Person => handler
                .layer(from_fn_with_state((site.clone(), class), session::require_person))
                .layer(from_fn_with_state(Arc::clone(&site.front.origins), csrf::check)),
            Who::User(right) => handler
                .layer(from_fn_with_state((site.clone(), right, class), session::require))
                .layer(from_fn_with_state(Arc::clone(&site.front.origins), csrf::check)),
            Who::Proven(right) => handler
                .layer(from_fn_with_state(site.clone(), session::require_proof))
                .layer(from_fn_with_state((site.clone(), right, class), session::require))
                .layer(from_fn_with_state(Arc::clone(&site.front.origins), csrf::check)),
            Who::Key(_) => match route.operation {
                Some(operation) => handler.layer(from_fn_with_state((site.clone(), operation, class), key::require)),
                // Without an operation it would be open; so it is not there.
                None => return router,
            },
            // It is not in this table: see `beyond`.
            Who::Admin => return router,
        };
        let handler = match route.class() {
            Some(class) => handler.layer(from_fn_with_state((site.clone(), class), quota::by_address)),
            None => handler,
        };
        // Refusals tell the time too, so that this is around all else.
        let handler = match route.who {
            Who::Probe | Who::NewProbe => handler.layer(from_fn_with_state(site.clock.clone(), probe::add_headers)),
            _ => handler,
        };
        router.route(route.path, handler)
    });
    let counted = from_fn_with_state((site.clone(), Class::Read), quota::by_address);
    let table = match audience {
        Audience::Everyone => table.fallback_service(beyond(&site).layer(counted.clone())),
        Audience::Probes => table.fallback(ui::error::get_nothing.layer(counted.clone())),
    };
    table
        .method_not_allowed_fallback(get_no_method.layer(counted))
        .layer(from_fn_with_state(hosts, host::check))
        .layer(from_fn_with_state(Arc::new(Semaphore::new(AT_ONCE)), rate_limit::admit))
        .layer(from_fn_with_state(transport, headers::add))
        .layer(from_fn_with_state(proxies, client::identify))
        .with_state(site)
}

/// What no route of the table leads to: the administration of the instance, for those who may, and nothing. What is not
/// there and what is not theirs goes the same way through the same code, so that the two cannot be told apart.
fn beyond(site: &Site) -> Router {
    let administration = ROUTES.iter().filter(|route| route.who == Who::Admin).fold(Router::new(), |router, route| {
        let handler = (route.handler)()
            .layer(from_fn_with_state(site.clone(), admin_404::require))
            .layer(from_fn_with_state(Arc::clone(&site.front.origins), csrf::check));
        router.route(route.path, handler)
    });
    let administration = administration
        .fallback(ui::error::get_nothing)
        .method_not_allowed_fallback(get_no_method)
        .with_state(site.clone());
    Router::new().fallback_service(administration).layer(from_fn_with_state(site.clone(), admin_404::admit))
}

/// What is there, but not for this method.
async fn get_no_method(uri: Uri) -> Response {
    const WHY: &str = "this method is not served here";
    if api::is_of(&uri) {
        return api::problem::Problem::new(api::problem::Kind::MethodNotAllowed, WHY).into_response();
    }
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, WHY).into_response()
}
