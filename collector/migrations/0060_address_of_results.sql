-- The address that was reached, apart from the rest: it was all that the details of a good outcome held, and cost a row
-- more as JSON than every other column together. Rows from before have it in their details; readers look at both.
ALTER TABLE results ADD COLUMN address inet;
COMMENT ON COLUMN results.address IS 'subject=tenant; purpose=says which address of the target was reached; retention=results; export=yes; erase=delete';
