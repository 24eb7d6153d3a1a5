"""All attacks, in the order of the table in docs/reliability.md."""

from __future__ import annotations

from pstmo_ros.torture.attacks import clocks, fuzz, life, load, neighbours, soak, surroundings
from pstmo_ros.torture.stand import Attack

SOAKS = (
    Attack("soak", "people at a steady rate for long", soak.soak),
    Attack("image_soak", "images of people at a steady rate for long", soak.image_soak),
)
"""For hours."""
LONG = (*SOAKS, Attack("grid", "1 to 64 people by 10 to 120 Hz", load.grid))
"""Only when they are named, and tables of their own."""
ATTACKS = (
    Attack("keypoints", "fuzzed People2D over DDS, a good frame after each 40", fuzz.keypoints),
    Attack("calibrations", "fuzzed CameraInfo, each with a good frame", fuzz.calibrations),
    Attack("images", "fuzzed images, raw and compressed, also giant ones", fuzz.images),
    Attack("parameters", "parameters of any type and value under load", fuzz.parameters),
    Attack("transitions", "lifecycle transitions at random", fuzz.transitions),
    Attack("bag_loops", "a looped recording under simulated time", clocks.bag_loops),
    Attack("jumps", "stamps that jump by up to 136 years", clocks.jumps),
    Attack("end_of_stamps", "stamps and /clock at 2^31 s, fields checked", clocks.end_of_stamps),
    Attack("standing_stamps", "no ids, and stamps that stand still", clocks.standing_stamps),
    Attack("publisher_death", "sources killed in mid-stream", neighbours.publisher_death),
    Attack("late_subscribers", "subscribers that come and go", neighbours.late_subscribers),
    Attack("two_publishers", "two sources, one an hour behind", neighbours.two_publishers),
    Attack("namesakes", "a second node of the same name", neighbours.namesakes),
    Attack("lifter_cycles", "lifecycle cycles of the lifter", life.lifter_cycles),
    Attack("detector_cycles", "lifecycle cycles of the detector", life.detector_cycles),
    Attack("signals", "SIGINT and SIGTERM in every state", life.signals),
    Attack("kills", "SIGKILL in every state, and a new start", life.kills),
    Attack("homes", "no HOME, no rights", surroundings.homes),
    Attack("paths", "spaces, quotes, newlines and umlauts in paths", surroundings.paths),
    Attack(
        "checked_fields", "ROS_PYTHON_CHECK_FIELDS=1, as on Humble", surroundings.checked_fields
    ),
    Attack("overload", "64 people at 120 Hz", load.overload),
)
