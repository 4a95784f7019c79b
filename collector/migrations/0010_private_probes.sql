-- A private probe belongs to one organization, so its row does too; the operator's probes are seen by all.
ALTER TABLE probes ENABLE ROW LEVEL SECURITY;
ALTER TABLE probes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON probes FOR SELECT TO picket_app, picket_reader USING (org_id = current_org() OR org_id IS NULL);
CREATE POLICY all_rows ON probes TO picket_auth, picket_intake, picket_worker, picket_backup USING (true) WITH CHECK (true);
