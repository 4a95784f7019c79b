-- Every column says whose data it holds, what for, for how long, and what becomes of it: export, erasure, retention and
-- the record of processing are driven by these comments. A column without one fails the tests.
--   subject    none | user (who uses Picket) | contact (who is told) | tenant (the organization)
--   retention  instance (as long as the installation) | account (until the organization is erased) | expiry (a time in the
--              row) | results, receipts, changes (days in the settings)
--   export     yes | no (meaningless outside, or not the subject's)
--   erase      delete (the row goes) | keep | null (the value goes, the row stays)

COMMENT ON COLUMN instance.singleton IS 'subject=none; purpose=keeps this table to one row; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN instance.collector_id IS 'subject=none; purpose=names this installation to its probes; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN instance.created_at IS 'subject=none; purpose=tells when the installation was made; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN instance.last_alive_at IS 'subject=none; purpose=shows for how long the collector was down; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN instance.last_started_at IS 'subject=none; purpose=tells when the collector last started; retention=instance; export=no; erase=keep';

COMMENT ON COLUMN organizations.id IS 'subject=tenant; purpose=joins rows inside the database; retention=account; export=no; erase=delete';
COMMENT ON COLUMN organizations.uuid IS 'subject=tenant; purpose=names the organization outside; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN organizations.name IS 'subject=tenant; purpose=names the organization to people; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN organizations.managed_by IS 'subject=tenant; purpose=says which organization manages it; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN organizations.managed_by_consent_at IS 'subject=tenant; purpose=proves that it agreed to be managed; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN organizations.created_at IS 'subject=tenant; purpose=tells when it was made; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN organizations.deleted_at IS 'subject=tenant; purpose=hides it until it is erased; retention=account; export=yes; erase=delete';

COMMENT ON COLUMN audit.id IS 'subject=tenant; purpose=joins rows inside the database; retention=account; export=no; erase=keep';
COMMENT ON COLUMN audit.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=keep';
COMMENT ON COLUMN audit.at IS 'subject=tenant; purpose=tells when it was done; retention=account; export=yes; erase=keep';
COMMENT ON COLUMN audit.actor IS 'subject=user; purpose=tells who did it; retention=account; export=yes; erase=keep';
COMMENT ON COLUMN audit.action IS 'subject=tenant; purpose=tells what was done; retention=account; export=yes; erase=keep';
COMMENT ON COLUMN audit.subject IS 'subject=tenant; purpose=tells to what it was done; retention=account; export=yes; erase=keep';
COMMENT ON COLUMN audit.detail IS 'subject=user; purpose=tells what changed, without secrets; retention=account; export=yes; erase=keep';

COMMENT ON COLUMN regions.id IS 'subject=none; purpose=joins rows inside the database; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN regions.code IS 'subject=none; purpose=names the region; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN regions.network IS 'subject=none; purpose=tells in whose network it is, for the quorum; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN regions.eu IS 'subject=none; purpose=tells whether it may run checks that must stay in the EU; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN regions.created_at IS 'subject=none; purpose=tells when it was added; retention=instance; export=no; erase=keep';

COMMENT ON COLUMN probes.id IS 'subject=none; purpose=joins rows inside the database; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN probes.uuid IS 'subject=none; purpose=names the probe outside; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN probes.region_id IS 'subject=none; purpose=says in which region it votes; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN probes.org_id IS 'subject=tenant; purpose=says whose private probe it is; retention=instance; export=no; erase=null';
COMMENT ON COLUMN probes.name IS 'subject=tenant; purpose=names the probe to the operator; retention=instance; export=yes; erase=keep';
COMMENT ON COLUMN probes.sealed_secret IS 'subject=none; purpose=proves who sent a batch (sealed); retention=instance; export=no; erase=keep';
COMMENT ON COLUMN probes.created_at IS 'subject=none; purpose=tells when it was added; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN probes.revoked_at IS 'subject=none; purpose=ends what it may do; retention=instance; export=no; erase=keep';

COMMENT ON COLUMN probe_status.probe_id IS 'subject=none; purpose=joins rows inside the database; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN probe_status.boot IS 'subject=none; purpose=tells which start of the probe is the newest; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN probe_status.version IS 'subject=none; purpose=tells which program it runs; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN probe_status.kinds IS 'subject=none; purpose=tells which checks it knows; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN probe_status.hello_at IS 'subject=none; purpose=tells when it started; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN probe_status.seen_at IS 'subject=none; purpose=shows whether it is silent; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN probe_status.batch_at IS 'subject=none; purpose=tells when its last batch came; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN probe_status.through IS 'subject=none; purpose=shows up to when its outcomes are complete; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN probe_status.assignments IS 'subject=none; purpose=tells which assignments it has; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN probe_status.clock_offset_us IS 'subject=none; purpose=shows how far off its clock is; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN probe_status.ipv4 IS 'subject=none; purpose=shows whether its own network is well; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN probe_status.ipv6 IS 'subject=none; purpose=shows whether its own network is well; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN probe_status.dns IS 'subject=none; purpose=shows whether its own resolver is well; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN probe_status.report IS 'subject=none; purpose=holds what it says of itself, without targets; retention=instance; export=no; erase=keep';

COMMENT ON COLUMN probe_boots.probe_id IS 'subject=none; purpose=joins rows inside the database; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN probe_boots.boot IS 'subject=none; purpose=refuses a start that was superseded; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN probe_boots.hello_at IS 'subject=none; purpose=orders the starts; retention=instance; export=no; erase=keep';

COMMENT ON COLUMN probe_keys.probe_id IS 'subject=none; purpose=joins rows inside the database; retention=expiry; export=no; erase=keep';
COMMENT ON COLUMN probe_keys.number IS 'subject=none; purpose=names the day key; retention=expiry; export=no; erase=keep';
COMMENT ON COLUMN probe_keys.nonce IS 'subject=none; purpose=is what the day key is derived with; retention=expiry; export=no; erase=keep';
COMMENT ON COLUMN probe_keys.not_before IS 'subject=none; purpose=begins its life; retention=expiry; export=no; erase=keep';
COMMENT ON COLUMN probe_keys.not_after IS 'subject=none; purpose=ends its life; retention=expiry; export=no; erase=keep';

COMMENT ON COLUMN probe_requests.jti IS 'subject=none; purpose=refuses a request token that comes twice; retention=expiry; export=no; erase=keep';
COMMENT ON COLUMN probe_requests.expires_at IS 'subject=none; purpose=ends the need to remember it; retention=expiry; export=no; erase=keep';

COMMENT ON COLUMN receipts.probe_id IS 'subject=none; purpose=joins rows inside the database; retention=receipts; export=no; erase=keep';
COMMENT ON COLUMN receipts.cut_at IS 'subject=none; purpose=tells when the batch was cut; retention=receipts; export=no; erase=keep';
COMMENT ON COLUMN receipts.jti IS 'subject=none; purpose=refuses a batch that comes twice; retention=receipts; export=no; erase=keep';
COMMENT ON COLUMN receipts.body_hash IS 'subject=none; purpose=shows that a batch that comes again is the same; retention=receipts; export=no; erase=keep';
COMMENT ON COLUMN receipts.boot IS 'subject=none; purpose=tells which start of the probe sent it; retention=receipts; export=no; erase=keep';
COMMENT ON COLUMN receipts.seq IS 'subject=none; purpose=orders the batches of one start; retention=receipts; export=no; erase=keep';
COMMENT ON COLUMN receipts.received_at IS 'subject=none; purpose=tells when it came; retention=receipts; export=no; erase=keep';
COMMENT ON COLUMN receipts.outcomes IS 'subject=none; purpose=counts what was in it; retention=receipts; export=no; erase=keep';
COMMENT ON COLUMN receipts.receipt IS 'subject=none; purpose=is answered again to a batch that comes again; retention=receipts; export=no; erase=keep';

COMMENT ON COLUMN assignment_clock.singleton IS 'subject=none; purpose=keeps this table to one row; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN assignment_clock.version IS 'subject=none; purpose=numbers the changes of what probes run; retention=instance; export=no; erase=keep';

COMMENT ON COLUMN monitors.id IS 'subject=tenant; purpose=joins rows inside the database; retention=account; export=no; erase=delete';
COMMENT ON COLUMN monitors.uuid IS 'subject=tenant; purpose=names the monitor outside; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN monitors.name IS 'subject=tenant; purpose=names the monitor to people; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.kind IS 'subject=tenant; purpose=says which check is run; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.target IS 'subject=tenant; purpose=says what is watched; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.spec IS 'subject=tenant; purpose=says how it is checked, without secrets; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.sealed_secret IS 'subject=tenant; purpose=logs in at the target (sealed); retention=account; export=no; erase=delete';
COMMENT ON COLUMN monitors.interval_s IS 'subject=tenant; purpose=says how often it is checked; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.timeout_ms IS 'subject=tenant; purpose=says how long a check may take; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.quorum IS 'subject=tenant; purpose=says how many regions must agree; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.eu_only IS 'subject=tenant; purpose=keeps its checks in the EU; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.tags IS 'subject=tenant; purpose=groups monitors; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.version IS 'subject=tenant; purpose=tells outcomes of before an edit from those after; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.assigned_at_version IS 'subject=tenant; purpose=tells probes what is new to them; retention=account; export=no; erase=delete';
COMMENT ON COLUMN monitors.created_at IS 'subject=tenant; purpose=tells when it was made; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.updated_at IS 'subject=tenant; purpose=tells when it was last edited; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.paused_at IS 'subject=tenant; purpose=tells since when it is not checked; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN monitors.deleted_at IS 'subject=tenant; purpose=hides it until it is erased; retention=account; export=yes; erase=delete';

COMMENT ON COLUMN monitor_regions.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN monitor_regions.monitor_id IS 'subject=tenant; purpose=says of which monitor it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN monitor_regions.region_id IS 'subject=tenant; purpose=says from where it is checked; retention=account; export=yes; erase=delete';

COMMENT ON COLUMN rechecks.uuid IS 'subject=tenant; purpose=names the recheck to the probe; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN rechecks.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN rechecks.monitor_id IS 'subject=tenant; purpose=says of which monitor it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN rechecks.region_id IS 'subject=tenant; purpose=says of which region it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN rechecks.asked_at IS 'subject=tenant; purpose=tells when the judge asked; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN rechecks.due_at IS 'subject=tenant; purpose=says when it is to run; retention=account; export=no; erase=delete';
COMMENT ON COLUMN rechecks.taken_at IS 'subject=tenant; purpose=tells when a probe took it; retention=account; export=yes; erase=delete';

COMMENT ON COLUMN results.org_id IS 'subject=tenant; purpose=says whose row it is; retention=results; export=no; erase=delete';
COMMENT ON COLUMN results.monitor_id IS 'subject=tenant; purpose=says of which monitor it is; retention=results; export=no; erase=delete';
COMMENT ON COLUMN results.region_id IS 'subject=tenant; purpose=says of which region it is; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.probe_id IS 'subject=tenant; purpose=says which probe found it; retention=results; export=no; erase=delete';
COMMENT ON COLUMN results.at IS 'subject=tenant; purpose=tells when it was found; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.received_at IS 'subject=tenant; purpose=tells when it came to the collector; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.version IS 'subject=tenant; purpose=says for which version of the monitor it holds; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.trigger IS 'subject=tenant; purpose=says why the check ran; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.status IS 'subject=tenant; purpose=says what was found; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.self_check IS 'subject=tenant; purpose=says whether the probe itself was well; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.failure IS 'subject=tenant; purpose=says how it failed; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.code IS 'subject=tenant; purpose=holds the code that the target answered; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.late_us IS 'subject=tenant; purpose=measures how late the check began; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.total_us IS 'subject=tenant; purpose=measures where the time of a check went; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.resolve_us IS 'subject=tenant; purpose=measures where the time of a check went; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.connect_us IS 'subject=tenant; purpose=measures where the time of a check went; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.tls_us IS 'subject=tenant; purpose=measures where the time of a check went; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.send_us IS 'subject=tenant; purpose=measures where the time of a check went; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.wait_us IS 'subject=tenant; purpose=measures where the time of a check went; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.receive_us IS 'subject=tenant; purpose=measures where the time of a check went; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.fold_last IS 'subject=tenant; purpose=sums up a run of equal outcomes; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.fold_count IS 'subject=tenant; purpose=sums up a run of equal outcomes; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.fold_min_us IS 'subject=tenant; purpose=sums up a run of equal outcomes; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.fold_avg_us IS 'subject=tenant; purpose=sums up a run of equal outcomes; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.fold_max_us IS 'subject=tenant; purpose=sums up a run of equal outcomes; retention=results; export=yes; erase=delete';
COMMENT ON COLUMN results.detail IS 'subject=tenant; purpose=holds the evidence; retention=results; export=yes; erase=delete';

COMMENT ON COLUMN changes.id IS 'subject=tenant; purpose=joins rows inside the database; retention=changes; export=no; erase=delete';
COMMENT ON COLUMN changes.org_id IS 'subject=tenant; purpose=says whose row it is; retention=changes; export=no; erase=delete';
COMMENT ON COLUMN changes.monitor_id IS 'subject=tenant; purpose=says of which monitor it is; retention=changes; export=no; erase=delete';
COMMENT ON COLUMN changes.region_id IS 'subject=tenant; purpose=says of which region it is; retention=changes; export=yes; erase=delete';
COMMENT ON COLUMN changes.at IS 'subject=tenant; purpose=tells when the result changed; retention=changes; export=yes; erase=delete';
COMMENT ON COLUMN changes.received_at IS 'subject=tenant; purpose=tells when that came to the collector; retention=changes; export=yes; erase=delete';
COMMENT ON COLUMN changes.version IS 'subject=tenant; purpose=says for which version of the monitor it holds; retention=changes; export=yes; erase=delete';
COMMENT ON COLUMN changes.trigger IS 'subject=tenant; purpose=says why the check ran; retention=changes; export=yes; erase=delete';
COMMENT ON COLUMN changes.status IS 'subject=tenant; purpose=says what was found; retention=changes; export=yes; erase=delete';
COMMENT ON COLUMN changes.failure IS 'subject=tenant; purpose=says how it failed; retention=changes; export=yes; erase=delete';
COMMENT ON COLUMN changes.fails IS 'subject=tenant; purpose=counts failures in a row; retention=changes; export=yes; erase=delete';
COMMENT ON COLUMN changes.oks IS 'subject=tenant; purpose=counts good outcomes in a row; retention=changes; export=yes; erase=delete';
COMMENT ON COLUMN changes.self_check IS 'subject=tenant; purpose=says whether the probe itself was well; retention=changes; export=yes; erase=delete';
COMMENT ON COLUMN changes.detail IS 'subject=tenant; purpose=holds the evidence; retention=changes; export=yes; erase=delete';

COMMENT ON COLUMN region_states.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN region_states.monitor_id IS 'subject=tenant; purpose=says of which monitor it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN region_states.region_id IS 'subject=tenant; purpose=says of which region it is; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN region_states.version IS 'subject=tenant; purpose=says for which version of the monitor it holds; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN region_states.status IS 'subject=tenant; purpose=says what the region found last; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN region_states.failure IS 'subject=tenant; purpose=says how it failed; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN region_states.message IS 'subject=tenant; purpose=says so in words; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN region_states.fails IS 'subject=tenant; purpose=counts failures in a row; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN region_states.oks IS 'subject=tenant; purpose=counts good outcomes in a row; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN region_states.since IS 'subject=tenant; purpose=tells since when it is so; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN region_states.last_at IS 'subject=tenant; purpose=tells when it was last found so; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN region_states.last_trigger IS 'subject=tenant; purpose=says why the last check ran; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN region_states.self_check IS 'subject=tenant; purpose=says whether the probe itself was well; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN region_states.received_at IS 'subject=tenant; purpose=tells when that came to the collector; retention=account; export=yes; erase=delete';

COMMENT ON COLUMN region_holds.region_id IS 'subject=none; purpose=says which region is withheld; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN region_holds.until_at IS 'subject=none; purpose=ends the hold; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN region_holds.failing IS 'subject=none; purpose=counts the targets that turned to failing; retention=instance; export=no; erase=keep';
COMMENT ON COLUMN region_holds.watched IS 'subject=none; purpose=counts the targets that were watched; retention=instance; export=no; erase=keep';

COMMENT ON COLUMN gaps.id IS 'subject=tenant; purpose=joins rows inside the database; retention=account; export=no; erase=delete';
COMMENT ON COLUMN gaps.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN gaps.monitor_id IS 'subject=tenant; purpose=says of which monitor it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN gaps.region_id IS 'subject=tenant; purpose=says of which region it is; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN gaps.probe_id IS 'subject=tenant; purpose=says which probe was silent; retention=account; export=no; erase=delete';
COMMENT ON COLUMN gaps.from_at IS 'subject=tenant; purpose=begins the gap; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN gaps.to_at IS 'subject=tenant; purpose=ends the gap; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN gaps.reason IS 'subject=tenant; purpose=says why there is no outcome; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN gaps.noted_at IS 'subject=tenant; purpose=tells when it was noticed; retention=account; export=yes; erase=delete';

COMMENT ON COLUMN states.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN states.monitor_id IS 'subject=tenant; purpose=says of which monitor it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN states.state IS 'subject=tenant; purpose=is what the monitor was last judged to be; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN states.since IS 'subject=tenant; purpose=tells since when it is so; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN states.data IS 'subject=tenant; purpose=holds what the judge must remember; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN states.watch IS 'subject=tenant; purpose=says whether the judge looks closely; retention=account; export=no; erase=delete';
COMMENT ON COLUMN states.dirty_at IS 'subject=tenant; purpose=wakes the judge for something new; retention=account; export=no; erase=delete';
COMMENT ON COLUMN states.due_at IS 'subject=tenant; purpose=wakes the judge at its own time; retention=account; export=no; erase=delete';
COMMENT ON COLUMN states.judged_at IS 'subject=tenant; purpose=tells when it was last judged; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN states.revision IS 'subject=tenant; purpose=keeps two judges from overwriting each other; retention=account; export=no; erase=delete';

COMMENT ON COLUMN spans.id IS 'subject=tenant; purpose=joins rows inside the database; retention=account; export=no; erase=delete';
COMMENT ON COLUMN spans.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN spans.monitor_id IS 'subject=tenant; purpose=says of which monitor it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN spans.from_at IS 'subject=tenant; purpose=begins the span; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN spans.verdict IS 'subject=tenant; purpose=says what the monitor was judged to be; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN spans.noted_at IS 'subject=tenant; purpose=tells when it was judged; retention=account; export=yes; erase=delete';

COMMENT ON COLUMN incidents.id IS 'subject=tenant; purpose=joins rows inside the database; retention=account; export=no; erase=delete';
COMMENT ON COLUMN incidents.uuid IS 'subject=tenant; purpose=names the incident outside; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incidents.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN incidents.monitor_id IS 'subject=tenant; purpose=says of which monitor it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN incidents.started_at IS 'subject=tenant; purpose=tells when the first check failed; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incidents.confirmed_at IS 'subject=tenant; purpose=tells when the regions agreed; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incidents.resolved_at IS 'subject=tenant; purpose=tells when it was over; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incidents.resolution IS 'subject=tenant; purpose=says how it ended; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incidents.failure IS 'subject=tenant; purpose=says how the target failed; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incidents.message IS 'subject=tenant; purpose=says so in words; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incidents.detail IS 'subject=tenant; purpose=holds the votes and the evidence; retention=account; export=yes; erase=delete';

COMMENT ON COLUMN incident_events.id IS 'subject=tenant; purpose=joins rows inside the database; retention=account; export=no; erase=delete';
COMMENT ON COLUMN incident_events.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN incident_events.incident_id IS 'subject=tenant; purpose=says of which incident it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN incident_events.at IS 'subject=tenant; purpose=tells when it happened; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incident_events.event IS 'subject=tenant; purpose=says what happened; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN incident_events.detail IS 'subject=user; purpose=says what belongs to it; retention=account; export=yes; erase=delete';

COMMENT ON COLUMN channels.id IS 'subject=tenant; purpose=joins rows inside the database; retention=account; export=no; erase=delete';
COMMENT ON COLUMN channels.uuid IS 'subject=tenant; purpose=names the channel outside; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN channels.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN channels.name IS 'subject=tenant; purpose=names the channel to people; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN channels.kind IS 'subject=tenant; purpose=says how people are told; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN channels.hint IS 'subject=contact; purpose=shows whom it reaches, shortened; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN channels.sealed_settings IS 'subject=contact; purpose=is where messages are sent (sealed); retention=account; export=yes; erase=delete';
COMMENT ON COLUMN channels.created_at IS 'subject=tenant; purpose=tells when it was made; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN channels.deleted_at IS 'subject=tenant; purpose=hides it until it is erased; retention=account; export=yes; erase=delete';

COMMENT ON COLUMN notices.id IS 'subject=tenant; purpose=joins rows inside the database; retention=account; export=no; erase=delete';
COMMENT ON COLUMN notices.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN notices.monitor_id IS 'subject=tenant; purpose=says of which monitor it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN notices.incident_id IS 'subject=tenant; purpose=says of which incident it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN notices.kind IS 'subject=tenant; purpose=says what has to be told; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN notices.at IS 'subject=tenant; purpose=tells when that happened; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN notices.payload IS 'subject=tenant; purpose=is what the message is written from; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN notices.dispatched_at IS 'subject=tenant; purpose=tells when channels were chosen; retention=account; export=yes; erase=delete';

COMMENT ON COLUMN deliveries.id IS 'subject=tenant; purpose=joins rows inside the database; retention=account; export=no; erase=delete';
COMMENT ON COLUMN deliveries.uuid IS 'subject=tenant; purpose=names the message to its receiver, so that one that comes twice is known; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN deliveries.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN deliveries.notice_id IS 'subject=tenant; purpose=says what is told; retention=account; export=no; erase=delete';
COMMENT ON COLUMN deliveries.channel_id IS 'subject=tenant; purpose=says to which channel; retention=account; export=no; erase=delete';
COMMENT ON COLUMN deliveries.payload IS 'subject=tenant; purpose=is what a message without a notice says; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN deliveries.state IS 'subject=tenant; purpose=says whether it was sent; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN deliveries.attempts IS 'subject=tenant; purpose=counts the tries; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN deliveries.next_at IS 'subject=tenant; purpose=says when to try next; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN deliveries.leased_until IS 'subject=tenant; purpose=keeps two senders from sending it twice; retention=account; export=no; erase=delete';
COMMENT ON COLUMN deliveries.created_at IS 'subject=tenant; purpose=tells when it was made; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN deliveries.ended_at IS 'subject=tenant; purpose=tells when it was sent or given up; retention=account; export=yes; erase=delete';

COMMENT ON COLUMN delivery_attempts.id IS 'subject=tenant; purpose=joins rows inside the database; retention=account; export=no; erase=delete';
COMMENT ON COLUMN delivery_attempts.org_id IS 'subject=tenant; purpose=says whose row it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN delivery_attempts.delivery_id IS 'subject=tenant; purpose=says of which message it is; retention=account; export=no; erase=delete';
COMMENT ON COLUMN delivery_attempts.at IS 'subject=tenant; purpose=tells when it was tried; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN delivery_attempts.took_us IS 'subject=tenant; purpose=measures how long the try took; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN delivery_attempts.result IS 'subject=tenant; purpose=says how it went; retention=account; export=yes; erase=delete';
COMMENT ON COLUMN delivery_attempts.answer IS 'subject=contact; purpose=holds what the receiver answered, shortened and without secrets; retention=account; export=yes; erase=delete';
