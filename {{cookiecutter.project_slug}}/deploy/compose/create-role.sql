-- The service's role owns its database and is not a superuser.
\set password `cat /run/secrets/service_password`
CREATE ROLE service LOGIN PASSWORD :'password';
CREATE DATABASE service OWNER service;
REVOKE CONNECT ON DATABASE service, postgres FROM PUBLIC;
