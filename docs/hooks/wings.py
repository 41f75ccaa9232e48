"The wings of the package: folders of notebooks, and sub-packages of the same names."

WINGS = (  # in the order in which data flows
    'storage',
    'volume',
    'windows',
    'synthetic',
    'encoder',
    'training',
    'search',
    'interpretation',
    'evaluation',
    'labelling',
    'plot',
    'explore',
    'run',
    'cli',
)
