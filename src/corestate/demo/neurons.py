"""Leaky integrate-and-fire neurons in NumPy: the smallest population that does something worth watching."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["LeakyIntegrateAndFire"]


class LeakyIntegrateAndFire:
    """A population of leaky integrate-and-fire neurons with fixed random synapses.

    Potentials are in units of the threshold's scale (rest is 0, a neuron fires at ``threshold``), time is in steps.
    Every neuron reaches ``fan_out`` others, chosen at random; a neuron excites all its targets or inhibits all of
    them. A spike arrives at its targets one step after it was fired. The same seed and the same input give the same
    spikes.

    Args:
        neurons: how many neurons.
        fan_out: synapses leaving each neuron.
        seed: of the wiring.
        leak: share of the potential that is left after a step, 0 to 1.
        threshold: potential at which a neuron fires; it then starts again from 0.
        refractory: steps after a spike in which a neuron takes no input and cannot fire.
        inhibitory: share of the neurons whose synapses inhibit, 0 to 1.
        weight: mean potential that one excitatory spike adds to a target.
        balance: how much stronger an inhibitory synapse is than an excitatory one.
    """

    def __init__(
        self,
        neurons: int = 4000,
        fan_out: int = 50,
        *,
        seed: int = 0,
        leak: float = 0.9,
        threshold: float = 1.0,
        refractory: int = 2,
        inhibitory: float = 0.2,
        weight: float = 0.04,
        balance: float = 4.0,
    ) -> None:
        if neurons < 1 or fan_out < 0 or refractory < 0:
            raise ValueError(
                f"expected at least one neuron, no negative fan_out or refractory; "
                f"got neurons={neurons}, fan_out={fan_out}, refractory={refractory}"
            )
        if not (0.0 <= leak <= 1.0 and 0.0 <= inhibitory <= 1.0):
            raise ValueError(f"expected leak and inhibitory within 0 to 1; got leak={leak}, inhibitory={inhibitory}")
        rng = np.random.default_rng(seed)
        self.neurons = neurons
        self.leak = np.float32(leak)
        self.threshold = np.float32(threshold)
        self.refractory = refractory
        sign = np.where(rng.random(neurons) < inhibitory, -balance, 1.0)
        #: Where each neuron's synapses lead, shape (neurons, fan_out), neuron indices.
        self.targets: NDArray[np.int32] = rng.integers(0, neurons, (neurons, fan_out), dtype=np.int32)
        #: What each synapse adds to its target, shape (neurons, fan_out), potential.
        self.weights: NDArray[np.float32] = (
            sign[:, None] * rng.uniform(0.5 * weight, 1.5 * weight, (neurons, fan_out))
        ).astype(np.float32)
        #: Potential of each neuron now, shape (neurons,).
        self.potential: NDArray[np.float32] = np.zeros(neurons, np.float32)
        #: Steps each neuron must still rest, shape (neurons,).
        self.resting: NDArray[np.int16] = np.zeros(neurons, np.int16)
        self._arriving: NDArray[np.float64] = np.zeros(neurons)

    def step(self, input_current: ArrayLike) -> NDArray[np.intp]:
        """Advance by one step and return the indices of the neurons that fired, ascending, shape (fired,).

        Args:
            input_current: potential added from outside in this step: one number for all, or shape (neurons,).
        """
        awake = self.resting == 0
        self.potential *= self.leak
        self.potential += np.where(awake, self._arriving + np.asarray(input_current), 0.0)
        fired = np.flatnonzero(awake & (self.potential >= self.threshold))
        self.resting[~awake] -= 1
        self.potential[fired] = 0.0
        self.resting[fired] = self.refractory
        # A count weighted by the synapses is the one way in NumPy to add many numbers to few places in one pass.
        self._arriving[:] = np.bincount(self.targets[fired].ravel(), self.weights[fired].ravel(), self.neurons)
        return fired

    @property
    def synapse_count(self) -> int:
        """How many synapses there are."""
        return self.targets.size

    @property
    def memory_bytes(self) -> int:
        """Bytes held by the population's arrays."""
        arrays = (self.targets, self.weights, self.potential, self.resting, self._arriving)
        return sum(array.nbytes for array in arrays)

    def incoming(self, start: int, stop: int) -> int:
        """How many synapses lead into the neurons ``start`` to ``stop - 1``."""
        return int(np.count_nonzero((self.targets >= start) & (self.targets < stop)))

    def outgoing(self, start: int, stop: int) -> int:
        """How many synapses leave the neurons ``start`` to ``stop - 1``."""
        return self.targets[start:stop].size
