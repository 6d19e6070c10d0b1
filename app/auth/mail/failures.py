"""Why a mail was not sent."""


class DeliveryFailed(Exception):
    """The mail was not sent; the text is the reason, a clause that contains no secret and no address."""

    def __init__(
        self,
        reason: str,
        *,
        is_permanent: bool = False,
        is_outage: bool = False,
        is_connection_usable: bool = False,
    ) -> None:
        """`is_permanent`: another attempt would fail too. `is_outage`: no mail can be sent now."""
        super().__init__(reason)
        self.reason = reason
        self.is_permanent = is_permanent
        self.is_outage = is_outage
        self.is_connection_usable = is_connection_usable
