"""Early signs that a run is going wrong, in words: what a person would see in the pictures an hour later."""

from turncoat.training.networks import NetworkSettings

SETTLED = 400
"""Steps that a run has to find its feet; earlier, every one of these signs is normal."""


class Watch:
    """Looks at the lines of a run's log; says each kind of sentence once, when it becomes true."""

    def __init__(self, shape: NetworkSettings) -> None:
        """`shape`: of the network, whose box has bounds."""
        self.shape = shape
        self.said: dict[str, str] = {}

    def look(self, step: int, line: dict[str, float]) -> list[str]:
        """Sentences that are true of this line and were not said yet. `line`: means over the last steps, as logged."""
        if step < SETTLED:
            return []
        found = {kind: sentence for kind, sentence in self._signs(line).items() if kind not in self.said}
        self.said |= found
        return list(found.values())

    def _signs(self, line: dict[str, float]) -> dict[str, str]:
        signs = {}
        covered, person = line.get("mask_full"), line.get("person_mean")
        if covered is not None and person:
            if covered < 0.1 * person:
                signs["mask collapsed"] = (
                    f"The mask has collapsed: it covers {covered:.1%} of a frame, the person {person:.1%}. Nobody is "
                    "painted; lower the setting mask, or start again with another seed."
                )
            elif covered > min(5 * person, 0.9):
                signs["mask everywhere"] = (
                    f"The mask covers {covered:.1%} of a frame, the person {person:.1%}: background is painted too. "
                    "Raise the setting mask, or start again with another seed."
                )
        signs |= self._box_signs(line)
        share = line.get("adversary_right")
        if share is not None and share > 0.95:
            signs["adversary"] = (
                f"The adversary tells pairs apart in {share:.0%} of cases: the encoder is losing the game, and pose "
                "codes keep saying who moves. Raise adversarial, or lower adversary_rate."
            )
        spread = line.get("appearance_variance")
        if spread is not None and spread < 1e-4:
            signs["appearance"] = (
                "Appearance codes have become all alike, which makes them agree but says nothing; lower similarity."
            )
        if line.get("near_first", 1.0) < 0.2 and line.get("similarity_away", 0.0) > 0.98:
            signs["time"] = (
                "Pose codes do not change over time: near and away frames look the same to the contrast. Raise "
                "contrast, or check d_near_s and d_far_s against the dataset's frame rate."
            )
        return signs

    def _box_signs(self, line: dict[str, float]) -> dict[str, str]:
        signs = {}
        low, high = self.shape.scale_minimum, self.shape.scale_maximum
        near = 0.025 * (high - low)
        for axis in ("x", "y"):
            scale, shift = line.get(f"box_scale_{axis}"), line.get(f"box_shift_{axis}")
            if scale is not None and not low + near < scale < high - near:
                bound = "smallest" if scale < (low + high) / 2 else "largest"
                signs[f"scale {axis}"] = (
                    f"The box is stuck at its {bound} size (scale_{axis} {scale:.2f}); give the crop prior more weight "
                    "(box.weight), or lower detector_rate."
                )
            if shift is not None and abs(shift) > 0.875 * self.shape.shift_limit:
                signs[f"shift {axis}"] = (
                    f"The box is stuck at the frame's edge (shift_{axis} {shift:.2f}); lower detector_rate, or start "
                    "again with another seed."
                )
        return signs
