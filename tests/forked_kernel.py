"""Kernels that begin with everything imported: importing is most of what a short run costs.

A process that has imported what a run notebook needs forks, where jupyter_client would start
`python -m ipykernel_launcher`. The kernel's parent, session, folder and environment are the same;
its hash seed and what is imported are those of the process. What is about these, or about another
kernel, is tested with `refcon(…, installed=True)`, which starts kernels as a shell does.
"""

import asyncio
import multiprocessing
import os
import sys
from multiprocessing import resource_tracker

from jupyter_client.provisioning import local_provisioner

_start = local_provisioner.launch_kernel
_fork = multiprocessing.get_context('fork')


def _close_files():
    "Files of the parent, its locks above all, are closed as they are for a new program."
    kept = resource_tracker._resource_tracker._fd or 0
    os.closerange(3, max(kept, 3))
    os.closerange(max(kept, 2) + 1, os.sysconf('SC_OPEN_MAX'))


def _be_kernel(arguments, env, cwd, begun):
    import numpy as np
    from ipykernel import kernelapp
    from IPython.core.interactiveshell import InteractiveShell

    os.setsid()
    begun.close()
    _close_files()
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd or '.')
    np.random.seed()
    sys.argv = ['ipykernel_launcher.py', *arguments]
    asyncio.set_event_loop(asyncio.new_event_loop())  # the parent's is at work
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    InteractiveShell.clear_instance()  # that of a notebook which starts a kernel
    kernelapp.IPKernelApp.launch_instance(parent_handle=int(env['JPY_PARENT_PID']))


class Kernel(_fork.Process):
    "What jupyter_client asks of a subprocess."

    stdin = stdout = stderr = None
    returncode = property(lambda self: self.exitcode)

    def poll(self):
        return self.exitcode

    def wait(self, timeout=None):
        self.join(timeout)
        return self.exitcode

    def send_signal(self, number):
        os.kill(self.pid, number)


def _launch(cmd, env=None, cwd=None, **more):
    if cmd[1:3] != ['-m', 'ipykernel_launcher']:
        return _start(cmd, env=env, cwd=cwd, **more)
    env = dict(os.environ if env is None else env) | {'JPY_PARENT_PID': str(os.getpid())}
    mine, its = _fork.Pipe(duplex=False)
    kernel = Kernel(target=_be_kernel, args=(cmd[3:], env, cwd, its))
    kernel.start()
    its.close()
    mine.poll(None)  # until it leads a group of processes, which is what signals are sent to
    mine.close()
    return kernel


def fork_kernels():
    "From now on kernels of this process are forked from it."
    local_provisioner.launch_kernel = _launch
