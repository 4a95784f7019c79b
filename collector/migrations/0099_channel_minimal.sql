-- A channel may be told as little as possible: what sort of thing happened, since when, and where to look.
ALTER TABLE channels ADD COLUMN minimal boolean NOT NULL DEFAULT false;

GRANT SELECT (minimal) ON channels TO picket_app, picket_reader;
GRANT INSERT (minimal) ON channels TO picket_auth;

COMMENT ON COLUMN channels.minimal IS 'subject=tenant; purpose=says whether messages to the channel name nothing that is watched; retention=account; export=yes; erase=delete';

CALL grant_erasure();
