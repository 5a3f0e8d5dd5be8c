"""What the files of each open folder promise, and what they may ask of a model and a codec: types only.

A *module* satisfies a protocol here: `tasks/chat.py` is a Task, `metrics/rouge_l.py` a Metric. Members are read-only
properties, because modules cannot be checked otherwise. `tests/contracts` calls every promise of every file.
"""

from .data import Ask as Ask
from .data import Asking as Asking
from .data import Audit as Audit
from .data import Augment as Augment
from .data import Came as Came
from .data import Clean as Clean
from .data import Cleaned as Cleaned
from .data import Cleaner as Cleaner
from .data import Every as Every
from .data import Format as Format
from .data import Looking as Looking
from .data import Place as Place
from .exports import Export as Export
from .exports import Lossy as Lossy
from .exports import Reads as Reads
from .exports import Reloaded as Reloaded
from .exports import Scored as Scored
from .models import Adapter as Adapter
from .models import Codec as Codec
from .models import Encoded as Encoded
from .models import Model as Model
from .models import Optimiser as Optimiser
from .numbers import Floats as Floats
from .observers import Observer as Observer
from .observers import RunFacts as RunFacts
from .tasks import Given as Given
from .tasks import Metric as Metric
from .tasks import Proof as Proof
from .tasks import Task as Task
