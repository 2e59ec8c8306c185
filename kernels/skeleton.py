"""The 17-joint skeleton that every pose in turncoat uses (the Human3.6M subset in the EPFL order)."""

JOINTS: tuple[str, ...] = (
    "pelvis",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "spine",
    "neck",
    "head",
    "head_top",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
)
ROOT = 0

# (parent, child), ordered by child: bone k ends in joint k + 1.
BONES: tuple[tuple[int, int], ...] = (
    (0, 1),
    (1, 2),
    (2, 3),
    (0, 4),
    (4, 5),
    (5, 6),
    (0, 7),
    (7, 8),
    (8, 9),
    (9, 10),
    (8, 11),
    (11, 12),
    (12, 13),
    (8, 14),
    (14, 15),
    (15, 16),
)

# LEFT[k] and RIGHT[k] are the two sides of one joint.
LEFT: tuple[int, ...] = (4, 5, 6, 11, 12, 13)
RIGHT: tuple[int, ...] = (1, 2, 3, 14, 15, 16)

# Joint order after exchanging left and right: mirrored = pose[..., MIRROR, :] with x negated.
MIRROR: tuple[int, ...] = (0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 11, 12, 13)

# The 14 joints over which MPI-INF-3DHP computes PCK and AUC: all but pelvis, spine and head.
PCK_JOINTS: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16)

# The 16 joints that move: poses are relative to the root, which is nearly right whatever is predicted.
WITHOUT_ROOT: tuple[int, ...] = tuple(joint for joint in range(len(JOINTS)) if joint != ROOT)
