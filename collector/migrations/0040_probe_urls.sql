-- Where a probe was told to call. The collector's own certificate must be for it, and its door must be open there.
ALTER TABLE probes ADD COLUMN url text;
COMMENT ON COLUMN probes.url IS 'subject=none; purpose=is the address of the collector in its token, for the names of the certificate; retention=instance; export=no; erase=keep';
