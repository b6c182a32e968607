"""The OpenQuake Engine's HTTP API as Python: no QGIS, only requests.

What happens is logged under ``oq_processing.engine`` (module ``logging``), without passwords.
"""

import logging

logging.getLogger(__name__).addHandler(logging.NullHandler())  # else Python prints warnings
