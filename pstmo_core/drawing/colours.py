"""The colours of skeletons, RGB from 0 to 1, for pictures and markers alike.

Okabe and Ito's, told apart by colour-blind people too and bright on a dark ground.
"""

from __future__ import annotations

import numpy as np

from pstmo_core.skeleton import JOINTS, LEFT, RIGHT

LEFT_COLOUR = (0.337, 0.706, 0.914)  # sky blue
RIGHT_COLOUR = (0.902, 0.624, 0.0)  # orange
MIDDLE_COLOUR = (0.9, 0.9, 0.9)
MIDDLE_ON_WHITE = (0.25, 0.26, 0.29)
TRUTH_COLOUR = (0.52, 0.54, 0.58)  # a grey that stays behind the others


def joint_colours(middle: tuple[float, float, float] = MIDDLE_COLOUR) -> np.ndarray:
    """Return the colour (17, 3) of each joint; a bone has the colour of the joint it ends in.

    On a white ground `middle` has to be `MIDDLE_ON_WHITE`.
    """
    colours = np.empty((JOINTS, 3))
    colours[:] = middle
    colours[list(LEFT)] = LEFT_COLOUR
    colours[list(RIGHT)] = RIGHT_COLOUR
    return colours
