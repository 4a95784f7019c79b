-- What is exported is decided by the class of a column alone. Settings of a channel are sealed, and hold what signs in at a
-- provider: whose they are sees the hint.
COMMENT ON COLUMN channels.sealed_settings IS 'subject=contact; purpose=is where messages go and what signs in there (sealed); retention=account; export=no; erase=delete';
-- The way to it reads what may be read.
GRANT SELECT (uuid) ON account_mails TO picket_auth;
GRANT SELECT (member_until_at) ON invitations TO picket_app, picket_reader;
