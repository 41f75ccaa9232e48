"Faults, a file for each group: what is given to the program, and what must come out."

from faults import (
    amplitudes,  # noqa: F401
    arrays,  # noqa: F401
    encoders,  # noqa: F401
    filters,  # noqa: F401
    geometry,  # noqa: F401
    image_folders,  # noqa: F401
    images,  # noqa: F401
    indexes,  # noqa: F401
    label_tables,  # noqa: F401
    notebooks,  # noqa: F401
    openings,  # noqa: F401
    peoples_pictures,  # noqa: F401
    peoples_tables,  # noqa: F401
    places_to_write,  # noqa: F401
    questions,  # noqa: F401
    sample_formats,  # noqa: F401
    segy_cut,  # noqa: F401
    segy_headers,  # noqa: F401
    volume_paths,  # noqa: F401
    window_tables,  # noqa: F401
)
from faults.case import CASES  # noqa: F401
