-- The service's own role, which owns its database and is no superuser.
\set password `cat /run/secrets/service_password`
CREATE ROLE service LOGIN PASSWORD :'password';
CREATE DATABASE service OWNER service;
REVOKE CONNECT ON DATABASE service, postgres FROM PUBLIC;
