//! Windows of maintenance: plan one, begin one now, change, end, skip, delete and restore it.

use axum::routing::{delete, get, patch, post};
use picket_shared::ids::MaintenanceId;
use picket_shared::time::Timestamp;
use serde_json::{Value, json};

use super::problem::{Fault, Kind, Problem};
use super::{Answer, Call, Operation, Outcome};
use crate::domain::access::Right;
use crate::domain::incident::called;
use crate::domain::maintenance::settings;
use crate::store::Scoped;
use crate::store::maintenances::{Kept, MOST, deeds};
use crate::store::read::maintenance::{self, Standing};

const ONE: &[(u16, Option<&str>)] = &[(200, Some("Maintenance"))];

/// `GET /api/v1/maintenance`.
pub const LIST: Operation =
    Operation::get("/api/v1/maintenance", Right::MaintenanceRead, "listMaintenance", || get(list_maintenance))
        .does("Lists windows of maintenance, the newest first.")
        .answers(&[(200, Some("MaintenancePage"))]);
/// `POST /api/v1/maintenance`.
pub const CREATE: Operation =
    Operation::post("/api/v1/maintenance", Right::MaintenanceWrite, "createMaintenance", || post(create_maintenance))
        .does("Plans maintenance, or begins it now where `start` is absent.")
        .body("NewMaintenance")
        .answers(&[(201, Some("Maintenance"))]);
/// `GET /api/v1/maintenance/{id}`.
pub const GET: Operation =
    Operation::get("/api/v1/maintenance/{id}", Right::MaintenanceRead, "getMaintenance", || get(get_maintenance))
        .does("Shows a window of maintenance with the next times.")
        .answers(ONE);
/// `PATCH /api/v1/maintenance/{id}`.
pub const EDIT: Operation =
    Operation::patch("/api/v1/maintenance/{id}", Right::MaintenanceWrite, "editMaintenance", || {
        patch(edit_maintenance)
    })
    .does("Changes a window. What runs goes on if the window still begins then, until its new end; else it ends.")
    .body("MaintenancePatch")
    .answers(ONE);
/// `DELETE /api/v1/maintenance/{id}`.
pub const DELETE: Operation =
    Operation::delete("/api/v1/maintenance/{id}", Right::MaintenanceWrite, "deleteMaintenance", || {
        delete(delete_maintenance)
    })
    .does("Deletes a window; what runs of it ends. It can be restored for an hour.")
    .answers(&[(204, None)]);
/// `POST /api/v1/maintenance/{id}/restore`.
pub const RESTORE: Operation =
    Operation::post("/api/v1/maintenance/{id}/restore", Right::MaintenanceWrite, "restoreMaintenance", || {
        post(restore_maintenance)
    })
    .does("Undoes a deletion of the last hour; what the deletion ended stays over.")
    .answers(ONE);
/// `POST /api/v1/maintenance/{id}/end`.
pub const END: Operation =
    Operation::post("/api/v1/maintenance/{id}/end", Right::MaintenanceWrite, "endMaintenance", || {
        post(end_maintenance)
    })
    .does("Ends what runs of a window, now. What failed meanwhile and still does is told then.")
    .answers(ONE);
/// `POST /api/v1/maintenance/{id}/skip`.
pub const SKIP: Operation =
    Operation::post("/api/v1/maintenance/{id}/skip", Right::MaintenanceWrite, "skipMaintenance", || {
        post(skip_maintenance)
    })
    .does("Leaves out the next time that has not begun.")
    .answers(ONE);

async fn list_maintenance(call: Call) -> Outcome {
    let now = call.site.clock.now();
    let mut scoped = call.caller.scoped(&call.site).await?;
    let all = maintenance::list(&mut scoped, now).await?;
    Ok(Answer::page(all.iter().map(|one| view(&call, one, now)).collect(), None))
}

async fn create_maintenance(call: Call) -> Outcome {
    let now = call.site.clock.now();
    let wanted = settings::read(&call.body, None, now).map_err(faults)?;
    let id = MaintenanceId::at(now);
    let mut scoped = call.caller.scoped(&call.site).await?;
    if deeds::count(&mut scoped).await? >= MOST {
        let message = format!("an organization has at most {MOST} windows: delete one that is over");
        return Err(Problem::faults(Kind::InvalidBody, vec![Fault::new("", message)]));
    }
    if !deeds::add(&mut scoped, id, &wanted, now).await? {
        return Err(missing());
    }
    scoped.commit().await?;
    Ok(Answer::created(format!("/api/v1/maintenance/{id}"), shown(&call, id).await?))
}

async fn get_maintenance(call: Call) -> Outcome {
    Ok(Answer::ok(shown(&call, call.id()?).await?))
}

async fn edit_maintenance(call: Call) -> Outcome {
    let now = call.site.clock.now();
    let (mut scoped, kept) = hold(&call).await?;
    let wanted = settings::read(&call.body, Some(&kept.settings), now).map_err(faults)?;
    if wanted != kept.settings {
        if !deeds::edit(&mut scoped, &kept, &wanted, now).await? {
            return Err(missing());
        }
        scoped.commit().await?;
    }
    get_maintenance(call).await
}

async fn delete_maintenance(call: Call) -> Outcome {
    let (mut scoped, kept) = hold(&call).await?;
    deeds::delete(&mut scoped, &kept, call.site.clock.now()).await?;
    scoped.commit().await?;
    Ok(Answer::done())
}

async fn restore_maintenance(call: Call) -> Outcome {
    let mut scoped = call.caller.scoped(&call.site).await?;
    if !deeds::restore(&mut scoped, call.id()?, call.site.clock.now()).await? {
        return Err(Problem::not_found());
    }
    scoped.commit().await?;
    get_maintenance(call).await
}

async fn end_maintenance(call: Call) -> Outcome {
    let (mut scoped, kept) = hold(&call).await?;
    if !deeds::end_now(&mut scoped, &kept, call.site.clock.now()).await? {
        return Err(Problem::new(Kind::NoMaintenance, "nothing of this window runs now"));
    }
    scoped.commit().await?;
    get_maintenance(call).await
}

async fn skip_maintenance(call: Call) -> Outcome {
    let (mut scoped, kept) = hold(&call).await?;
    if deeds::skip_next(&mut scoped, &kept, call.site.clock.now()).await?.is_none() {
        let detail = "no time of this window is to come that could be left out: delete it instead";
        return Err(Problem::new(Kind::NoMaintenance, detail));
    }
    scoped.commit().await?;
    get_maintenance(call).await
}

/// The window of the path, held; what belongs to others is not there.
async fn hold(call: &Call) -> Result<(Scoped, Kept), Problem> {
    let mut scoped = call.caller.scoped(&call.site).await?;
    let kept = deeds::hold(&mut scoped, call.id()?).await?.ok_or_else(Problem::not_found)?;
    Ok((scoped, kept))
}

async fn shown(call: &Call, id: MaintenanceId) -> Result<Value, Problem> {
    let now = call.site.clock.now();
    let mut scoped = call.caller.scoped(&call.site).await?;
    let one = maintenance::one(&mut scoped, id, now).await?.ok_or_else(Problem::not_found)?;
    Ok(view(call, &one, now))
}

fn faults(wrong: Vec<settings::Wrong>) -> Problem {
    Problem::faults(Kind::InvalidBody, wrong.into_iter().map(|(field, message)| Fault::new(field, message)).collect())
}

fn missing() -> Problem {
    Problem::faults(Kind::InvalidBody, vec![Fault::new("monitors", "one of these monitors is not there")])
}

/// A window as the API shows it: who made it, for who may see members.
fn view(call: &Call, one: &Standing, now: Timestamp) -> Value {
    let mut shown = one.exported(now);
    let by = call.caller.holder.may(Right::MembersRead).then(|| called(&one.kept.created_by));
    shown["created_by"] = json!(by);
    shown
}
