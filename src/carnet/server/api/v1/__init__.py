"""The native API that apps and SDKs call (specs/http-api.md §4…§6)."""
