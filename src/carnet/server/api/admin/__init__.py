"""The admin API: the same services as the CLI and the dashboard, behind an admin token (specs/http-api.md §8)."""
