"""What partial distance correlations are where a code knows nothing that it should not, but which recording it is."""

import numpy as np

from turncoat.engine.analysis.codes import distance_correlation as dc
from turncoat.engine.analysis.codes.draws import null_interval, partner_sequences
from turncoat.engine.analysis.codes.frames import APPEARANCE, POSE_CODE
from turncoat.engine.analysis.intervals import Interval


def recordings_alone(
    variables: dict[str, np.ndarray],
    apart: dict[str, np.ndarray],
    chosen: np.ndarray,
    sequence: np.ndarray,
    *,
    exchanges: int,
    seed: int,
) -> dict[str, Interval]:
    """Nulls of the partial correlations: of codes that say what they may, and otherwise which recording it is.

    A code is split into what the true pose (or the person) determines and a remainder, and whole recordings exchange
    their remainders. Frames of one recording share a room, a place and a way of standing, and a person or a wardrobe
    may occur in one recording only; so a code that tells recordings apart seems to tell people, with no leak at all.

    variables, apart: name -> (N, C) values and (N, N) distances of the pool. chosen: (n,) places in it. sequence: (n,)
    labels of their recordings. exchanges: draws; seed: of them.
    """
    some = np.ix_(chosen, chosen)
    u = {name: dc.u_centred(apart[name][some]) for name in (APPEARANCE, "pose", "who")}
    tied = {(a, b): dc.alike(u[a], u[b]) for a, b in ((APPEARANCE, "pose"), ("pose", "who"))}
    parts = {
        code: (variables[said][chosen], (variables[code] - variables[said])[chosen])
        for code, said in ((POSE_CODE, "pose_only"), (APPEARANCE, "people_only"))
    }
    random = np.random.default_rng([seed, 5])
    drawn: dict[str, list[float]] = {"dc_given_pose": [], "dc_people_given_pose": [], "dc_pose_given_people": []}
    for _ in range(exchanges):
        partner = partner_sequences(sequence, random)
        p, a = (
            dc.u_centred(dc.distances(parts[code][0] + parts[code][1][partner])) for code in (POSE_CODE, APPEARANCE)
        )
        p_pose, a_who = dc.alike(p, u["pose"]), dc.alike(a, u["who"])
        drawn["dc_given_pose"].append(dc.without(dc.alike(u[APPEARANCE], p), tied[APPEARANCE, "pose"], p_pose))
        drawn["dc_people_given_pose"].append(dc.without(dc.alike(p, u["who"]), p_pose, tied["pose", "who"]))
        drawn["dc_pose_given_people"].append(dc.without(dc.alike(a, u["pose"]), a_who, tied["pose", "who"]))
    return {key: null_interval(np.array(values)) for key, values in drawn.items()}
