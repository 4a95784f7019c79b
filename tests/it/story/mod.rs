//! One promised behaviour a file, named as the promise. The collector, the probes and the servers around them are
//! real; see the harness for what a `World` is.

mod a_certificate_fault_is_told_apart;
mod a_channel_is_told_only_after_it_was_verified;
mod a_check_can_be_tried_before_it_is_saved;
mod a_dns_fault_is_told_apart;
mod a_forged_request_stores_nothing;
mod a_huge_body_is_refused_early;
mod a_person_sees_an_outage_without_reloading;
mod a_proxy_that_does_https_says_who_asks;
mod a_renewed_certificate_is_taken_in_without_a_restart;
mod a_second_region_needs_only_its_token;
mod a_silent_region_opens_no_incident;
mod an_imported_monitor_tells_nobody_before_its_release;
mod an_outage_is_told_once_and_resolved_once;
mod every_line_of_the_log_is_one_json_object;
mod figures_are_read_by_prometheus_and_tell_nothing_of_a_tenant;
mod one_region_down_opens_no_incident;
mod private_addresses_are_never_contacted;
mod two_of_three_regions_down_open_an_incident;
