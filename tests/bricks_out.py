"VDS files of surveys, written with OpenVDS: what the reader is compared with."

import numpy as np
import openvds


def _metadata(reader, unit):
    "Origin and spacing of a survey in its own coordinates, as SEGYImport writes them."
    known = openvds.KnownMetadata
    out = openvds.MetadataContainer()
    i, j = np.nonzero(reader.grid >= 0)
    numbers = np.stack([np.ones(len(i)), reader.inlines[i], reader.crosslines[j]], 1)
    fit, *_ = np.linalg.lstsq(numbers, reader.xy(reader.grid[i, j]), rcond=None)
    keys = (
        known.surveyCoordinateSystemOrigin(),
        known.surveyCoordinateSystemInlineSpacing(),
        known.surveyCoordinateSystemCrosslineSpacing(),
    )
    if np.isfinite(fit).all():
        for key, value in zip(keys, fit):
            out.setMetadataDoubleVector2(key.category, key.name, tuple(value))
    if unit:
        key = known.surveyCoordinateSystemUnit()
        out.setMetadataString(key.category, key.name, unit)
    return out


def _fill(manager, dims, channel, values):
    "Write a cube (n_il, n_xl, n) brick by brick."
    mode = openvds.IVolumeDataAccessManager.AccessMode.AccessMode_Create
    pages = manager.createVolumeDataPageAccessor(dims, 0, channel, 8, mode, 1024)
    for k in range(pages.getChunkCount()):
        page = pages.createPage(k)
        buffer = np.array(page.getWritableBuffer(), copy=False)
        low, high = page.getMinMax()
        part = values[low[2] : high[2], low[1] : high[1], low[0] : high[0]]
        buffer[tuple(slice(n) for n in part.shape)] = part
        page.release()
    pages.commit()
    pages.removeReference()


def _channels(mask):
    "Amplitudes, and the mask of live traces where it is wanted."
    kind, one = openvds.VolumeDataFormat, openvds.VolumeDataComponents.Components_1
    channel = openvds.VolumeDataChannelDescriptor
    out = [channel(kind.Format_R32, one, 'Amplitude', '', -2.0, 2.0)]
    if mask:
        per_trace = openvds.VolumeDataMapping.PerTrace
        flags = openvds.VolumeDataChannelDescriptor.Flags.DiscreteData
        out.append(channel(kind.Format_U8, one, 'Trace', '', 0.0, 1.0, per_trace, flags))
    return out


def vds_like(
    path,  # the file to write
    reader,  # a `Reader` with a grid
    compression='Zip',  # or 'None'
    vertical=None,  # name and unit of the vertical axis; None: by its domain
    unit='m',  # of coordinates; '' for none
    mask=True,  # whether live traces are marked
):
    "Write a survey as VDS."
    axis = openvds.VolumeDataAxisDescriptor
    name, vertical_unit = vertical or (reader.axis.domain.title(), reader.axis.unit)
    first, n = reader.axis.t0, reader.n_samples
    lines = (('Crossline', reader.crosslines), ('Inline', reader.inlines))
    axes = [axis(n, name, vertical_unit, first, first + reader.axis.dt * (n - 1))]
    axes += [axis(len(k), what, 'unitless', float(k[0]), float(k[-1])) for what, k in lines]
    layout = openvds.VolumeDataLayoutDescriptor
    how = layout(
        layout.BrickSize.BrickSize_64,
        4,
        4,
        4,
        layout.LODLevels.LODLevels_None,
        layout.Options.Options_None,
    )
    vds = openvds.create(
        openvds.VDSFileOpenOptions(str(path)),
        how,
        axes,
        _channels(mask),
        _metadata(reader, unit),
        getattr(openvds.CompressionMethod, compression),
        0.0,
        openvds.VDSError(),
    )
    manager, dims = openvds.getAccessManager(vds), openvds.DimensionsND.Dimensions_012
    cube = reader.read(reader.grid.reshape(-1)).reshape(*reader.grid.shape, n)
    _fill(manager, dims, 0, cube)
    if mask:
        _fill(manager, dims, 1, (reader.grid >= 0)[..., None].astype(np.uint8))
    openvds.close(vds)
