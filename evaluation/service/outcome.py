"""What may come of a visit but that which was asked for."""


class Wrong(Exception):
    """A response is not as it should be; the message says how."""


class Refused(Exception):
    """The program was busy and said so in the right shape."""
