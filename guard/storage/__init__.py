"""The SQL edge: tables, and one store a port. Nobody else imports sqlalchemy."""
