"""Training windows drawn from motion capture.

`sampler` draws them; the other files are its parts: which motion (`mocap`, `windows`, `balance`),
on which body (`bodies`), where detectors put the joints (`joint_definitions`, `detector_joints`),
seen by which camera (`virtual_cameras`), with which detector errors (`detector_errors`,
`detector_noise`).
"""
