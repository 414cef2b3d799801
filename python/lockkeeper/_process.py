"""What happens to the module when its process forks or ends.

Imported for its effect: hooks can be registered once per process, and a fork inherits them.
"""

import atexit
import os

from . import _lockkeeper

os.register_at_fork(after_in_child=_lockkeeper.after_fork_in_child)
atexit.register(_lockkeeper.stop)
