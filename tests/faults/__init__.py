"Faults, a file for each group: what is given to the program, and what must come out."

from importlib import import_module

from faults.case import CASES  # noqa: F401

GROUPS = (  # in the order of faults.md
    'segy_cut',
    'segy_headers',
    'sample_formats',
    'geometry',
    'amplitudes',
    'volume_paths',
    'arrays',
    'images',
    'image_folders',
    'window_tables',
    'questions',
    'filters',
    'horizons',
    'encoders',
    'indexes',
    'openings',
    'label_tables',
    'notebooks',
    'places_to_write',
    'peoples_tables',
    'peoples_pictures',
)

for _group in GROUPS:
    import_module(f'faults.{_group}')
