"""Rollbacks of real routers under load: HAProxy, Envoy and Traefik before two model servers."""
