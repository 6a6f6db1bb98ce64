"""How the bundled base models were made; nothing else imports it."""
