//! One promised behaviour a file, named as the promise. The collector, the probes and the servers around them are
//! real; see the harness for what a `World` is.

mod a_certificate_fault_is_told_apart;
mod a_check_can_be_tried_before_it_is_saved;
mod a_dns_fault_is_told_apart;
mod a_forged_request_stores_nothing;
mod a_huge_body_is_refused_early;
mod a_newer_probe_works;
mod a_probe_writes_nothing;
mod a_region_with_a_bad_network_has_no_vote;
mod a_silent_region_opens_no_incident;
mod a_wrong_clock_of_a_probe_makes_no_incident;
mod a_wrong_clock_of_the_collector_makes_no_incident;
mod an_old_probe_works;
mod an_outage_is_told_once_and_resolved_once;
mod one_region_down_opens_no_incident;
mod private_addresses_are_never_contacted;
mod two_of_three_regions_down_open_an_incident;
