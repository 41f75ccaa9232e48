import os

from faults.common import *

group('Encoder folders')
use = 'embed {g} --encoder {o}/enc --out {o}/e.npz'
good('as it should be', 'embed {g} --encoder {e} --out {o}/e.npz', '6 embeddings', count(6))
bad('a name of nothing', 'embed {g} --encoder nope-encoder --out {o}/e.npz', 'no bundled encoder')
bad('an empty folder', 'embed {g} --encoder {o} --out {o}/e.npz', 'no encoder there')
bad(
    'a file of text',
    'embed {g} --encoder {o}/a.txt --out {o}/e.npz',
    'expected a folder',
    file('a.txt', 'x'),
)
bad(
    'weights that are none',
    'embed {g} --encoder {o}/a.pt --out {o}/e.npz',
    'not a readable file of weights',
    file('a.pt', 'x'),
)
bad(
    'weights that would run a command',
    'embed {g} --encoder {o}/a.pt --out {o}/e.npz',
    'not a readable file of weights',
    lambda o: __import__('torch').save(Bomb(str(o / 'ran')), o / 'a.pt'),
)
for name in ('config.json', 'model.safetensors', 'refcon.json'):
    bad(f'{name} missing', use, 'enc', changed('e', 'enc', name, None))
for at in (-9, 3, 60):
    bad(
        f'a byte of the weights changed, at {at}',
        use,
        'model.safetensors',
        flipped('e', 'enc', 'model.safetensors', at),
    )
bad(
    'a byte of the configuration changed',
    use,
    'config.json',
    changed('e', 'enc', 'config.json', put('hidden_act', v='gelu')),
)
bad(
    'weights cut short',
    use,
    'model.safetensors',
    lambda o: (
        (
            changed('e', 'enc', 'config.json', lambda d: d)(o),
            os.truncate(o / 'enc' / 'model.safetensors', 1000),
        )
        and None
    ),
)
for name in ('refcon.json',):
    for what, text in (
        ('not JSON', '{'),
        ('empty', ''),
        ('a list', '[]'),
        ('null', 'null'),
        ('a number', '3'),
        ('binary', b'\xff\xfe\0'),
        ('an empty object', '{}'),
        ('10,000 lists in lists', '[' * 10000 + ']' * 10000),
    ):
        bad(f'{name}: {what}', use, 'enc', changed('e', 'enc', name, text))
for what, change, says in (
    ('a future format', put('format', v=99), 'format 99'),
    ('format of text', put('format', v='1'), 'format'),
    ('head_dim 10**9', put('head_dim', v=10**9), 'head_dim'),
    ('head_dim 7', put('head_dim', v=7), 'do not fit'),
    ('head_dim negative', put('head_dim', v=-1), 'head_dim'),
    ('head_dim of text', put('head_dim', v='x'), 'head_dim'),
    ('head_dim 3.5', put('head_dim', v=3.5), 'head_dim'),
    ('no scales', put('scales', v=[]), 'scales'),
    ('scales of 0', put('scales', v=[0]), 'scales'),
    ('scales of 10**6', put('scales', v=[10**6]), 'scales'),
    ('scales of text', put('scales', v=['a']), 'scales'),
    ('scales NaN', put('scales', v=[float('nan')]), 'scales'),
    ('scales not a list', put('scales', v=1), 'scales'),
    ('a million scales', put('scales', v=[1] * 10**6), 'scales'),
    ('an unknown pooling', put('pooling', v='max'), 'pooling'),
    ('a pooling that is a list', put('pooling', v=[]), 'pooling'),
    ('an unknown metric', put('metric', v='hamming'), 'metric'),
    ('neck of text', put('neck', v='yes'), 'neck'),
    ('a neck that is not in the weights', put('neck', v=True), 'do not fit'),
    ('mirror null', put('mirror', v=None), 'mirror'),
    ('size negative', put('recipe', 'size', v=[-5, 48]), 'size'),
    ('size 10**9', put('recipe', 'size', v=[10**9, 10**9]), 'size'),
    ('size of text', put('recipe', 'size', v='ab'), 'size'),
    ('size NaN', put('recipe', 'size', v=[float('nan'), 48]), 'size'),
    ('no recipe', less('recipe'), 'recipe'),
    ('recipe null', put('recipe', v=None), 'recipe'),
    ('recipe with more', put('recipe', 'more', v=1), 'recipe'),
    ('clip 0', put('recipe', 'clip', v=0), 'clip'),
    ('clip NaN', put('recipe', 'clip', v=float('nan')), 'clip'),
    ('clip of text', put('recipe', 'clip', v='x'), 'clip'),
    ('an unknown scaling', put('recipe', 'scaling', v='none'), 'scaling'),
    ('no checksum', less('sha256'), 'refcon.json'),
    ('calibration of text', put('calibration', v='x'), 'calibration'),
    ('calibration without a', put('calibration', v={'metric': 'cosine', 'b': 1}), 'calibration'),
    ('calibration of an unknown scale', put('calibration', 'scale', v='x'), 'calibration'),
    ('calibration NaN', put('calibration', 'a', v=float('nan')), 'calibration'),
    ('calibration of another metric', put('calibration', 'metric', v='euclidean'), 'calibration'),
    ('provenance a list', put('provenance', v=[]), 'provenance'),
    ('name null', put('name', v=None), 'name'),
):
    bad(f'refcon.json: {what}', use, says, changed('e', 'enc', 'refcon.json', change))


def config(change):
    def make(o):
        changed('e', 'enc', 'config.json', change)(o)
        from hashlib import sha256

        edit_json(
            o / 'enc' / 'refcon.json',
            put(
                'sha256',
                'config.json',
                v=sha256((o / 'enc' / 'config.json').read_bytes()).hexdigest(),
            ),
        )

    return make


for what, change in (
    ('not JSON', '{'),
    ('a list', '[]'),
    ('null', 'null'),
    ('an empty object', '{}'),
    ('10,000 lists in lists', '[' * 10000 + ']' * 10000),
    ('a number of 5,000 digits', '{"a": ' + '1' * 5000 + '}'),
    ('hidden sizes of 10**9', put('hidden_sizes', v=[10**9] * 4)),
    ('hidden sizes of 100,000', put('hidden_sizes', v=[100_000] * 4)),
    ('hidden sizes negative', put('hidden_sizes', v=[-8, 16, 32, 64])),
    ('hidden sizes of text', put('hidden_sizes', v=['a'])),
    ('no hidden sizes', put('hidden_sizes', v=[])),
    ('hidden sizes null', put('hidden_sizes', v=None)),
    ('100,000 layers', put('depths', v=[100_000] * 4)),
    ('10**9 layers', put('depths', v=[10**9] * 4)),
    ('10**9 labels', put('num_labels', v=10**9)),
    ('an unknown model', put('model_type', v='nothing')),
    ('a text model', put('model_type', v='bert')),
    ('a model that is a list', put('model_type', v=[])),
    ('no model', less('model_type')),
    ('an unknown activation', put('hidden_act', v='nothing')),
    ('activation null', put('hidden_act', v=None)),
    ('an unknown layer', put('layer_type', v='nothing')),
    ('channels 10**9', put('num_channels', v=10**9)),
    ('channels 3', put('num_channels', v=3)),
    ('embedding of text', put('embedding_size', v='x')),
):
    bad(
        f'config.json (its checksum too): {what}',
        use,
        'config.json' if isinstance(change, (str, bytes)) else 'enc',
        config(change),
    )
