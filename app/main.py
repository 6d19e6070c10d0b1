"""The entry: builds the gateway as one typed object, which `app/server` serves."""

from app.wiring.service import Service, create_app

__all__ = ["Service", "create_app"]
