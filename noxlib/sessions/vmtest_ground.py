"""The testground in a virtual machine that the program vmtest starts."""

from __future__ import annotations

from noxlib.config.project import Project
from noxlib.places.vmtest import Vmtest
from noxlib.sessions import vm_ground
from noxlib.sessions.context import Context
from noxlib.sessions.grounds import Effort, Ground
from noxlib.sessions.placing import Placement


def ready(context: Context, project: Project, placement: Placement, effort: Effort) -> Ground:
    """As in a machine of QEMU and SSH, but for what drives it."""
    return vm_ground.of(Vmtest, context, project, placement, effort)
