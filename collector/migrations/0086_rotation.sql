-- What an older key sealed is sealed again by the newest.
GRANT UPDATE (sealed_settings) ON channels TO picket_worker;
