"Faults, a file for each group: what is given to the program, and what must come out."

from faults import segy_cut  # noqa: F401
from faults import segy_headers  # noqa: F401
from faults import sample_formats  # noqa: F401
from faults import geometry  # noqa: F401
from faults import amplitudes  # noqa: F401
from faults import volume_paths  # noqa: F401
from faults import arrays  # noqa: F401
from faults import images  # noqa: F401
from faults import image_folders  # noqa: F401
from faults import window_tables  # noqa: F401
from faults import questions  # noqa: F401
from faults import filters  # noqa: F401
from faults import encoders  # noqa: F401
from faults import indexes  # noqa: F401
from faults import openings  # noqa: F401
from faults import label_tables  # noqa: F401
from faults import notebooks  # noqa: F401
from faults import places_to_write  # noqa: F401
from faults import peoples_tables  # noqa: F401
from faults import peoples_pictures  # noqa: F401
from faults.case import CASES  # noqa: F401
