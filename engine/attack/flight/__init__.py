"""In-flight batching: samples leave the slots of an attack as soon as they are done, and others take their places."""

from turncoat.engine.attack.flight.flight import Admit, Flight
from turncoat.engine.attack.flight.landed import Landed, Traffic
from turncoat.engine.attack.flight.rows import Course, Rows, board

__all__ = ["Admit", "Course", "Flight", "Landed", "Rows", "Traffic", "board"]
