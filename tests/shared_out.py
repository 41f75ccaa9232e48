"""Weights shared out over processes on CPUs.

Accelerate does that (FSDP2) on GPUs only: here it is told that a CPU is one."""

from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

from reflection_connection.training import LoopTrainer


class Shared(LoopTrainer):
    def create_accelerator_and_postprocess(self):
        super().create_accelerator_and_postprocess()
        self.is_fsdp_enabled = True
        AcceleratorState._shared_state['fsdp_plugin'] = FullyShardedDataParallelPlugin(
            fsdp_version=2
        )
        for state in (PartialState, AcceleratorState):
            state._shared_state['distributed_type'] = DistributedType.FSDP


def share_out():
    from reflection_connection.training import pretraining as pretrain
    from reflection_connection.training import siamese

    for module, trainer in ((siamese, 'SiameseTrainer'), (pretrain, 'PretrainTrainer')):
        setattr(module, trainer, type(trainer, (getattr(module, trainer), Shared), {}))
