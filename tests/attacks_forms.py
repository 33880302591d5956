"""The forms of `benchmarks.hostile_forms`, under the name that tests know them by."""

from benchmarks.hostile_forms import SLOW_FORMS, Form, almost_boundaries, boundary_soup, costly_headers

__all__ = ["SLOW_FORMS", "Form", "almost_boundaries", "boundary_soup", "costly_headers"]
