"""What people did stays as it was written: the database itself refuses to change or delete it."""

from django.db import migrations

CREATE = """
CREATE FUNCTION users_auditentry_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON users_auditentry
    FOR EACH ROW EXECUTE FUNCTION users_auditentry_is_append_only();
"""
DROP = """
DROP TRIGGER append_only ON users_auditentry;
DROP FUNCTION users_auditentry_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("users", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
