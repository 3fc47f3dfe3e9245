"""The dynamics of the demonstration's neurons."""

import numpy as np
import pytest

from corestate.demo.neurons import LeakyIntegrateAndFire


def test_a_driven_neuron_fires_when_its_leaky_sum_reaches_the_threshold():
    neuron = LeakyIntegrateAndFire(1, 0, leak=0.9)
    # After k steps of current 0.2 the potential is 2 (1 - 0.9^k): below 1 for k = 6, above it for k = 7.
    fired = [neuron.step(0.2).size for _ in range(7)]
    assert fired == [0, 0, 0, 0, 0, 0, 1]
    assert neuron.potential[0] == 0.0


def test_a_current_below_leak_times_threshold_never_fires():
    neuron = LeakyIntegrateAndFire(1, 0, leak=0.9)
    assert not any(neuron.step(0.099).size for _ in range(1000))
    assert neuron.potential[0] == pytest.approx(0.99, abs=1e-4)


def test_potential_leaks_without_input():
    neuron = LeakyIntegrateAndFire(1, 0, leak=0.5)
    neuron.step(0.8)
    neuron.step(0.0)
    neuron.step(0.0)
    assert neuron.potential[0] == pytest.approx(0.2)


@pytest.mark.parametrize("refractory", [0, 1, 3])
def test_a_neuron_rests_after_a_spike(refractory):
    neuron = LeakyIntegrateAndFire(1, 0, refractory=refractory)
    fired = np.flatnonzero([neuron.step(5.0).size for _ in range(20)])
    assert set(np.diff(fired)) == {refractory + 1}


def test_a_spike_arrives_one_step_later_with_the_weight_of_its_synapses():
    network = LeakyIntegrateAndFire(50, 4, seed=3, refractory=0)
    current = np.zeros(50)
    current[7] = 2.0
    assert network.step(current).tolist() == [7]
    assert not network.potential.any()
    network.step(0.0)
    expected = np.zeros(50)
    np.add.at(expected, network.targets[7], network.weights[7])
    assert network.potential == pytest.approx(expected, abs=1e-6)
    network.step(0.0)
    assert network.potential == pytest.approx(0.9 * expected, abs=1e-6)


def test_each_neuron_excites_all_its_targets_or_inhibits_all():
    network = LeakyIntegrateAndFire(2000, 10, inhibitory=0.2)
    signs = np.sign(network.weights)
    assert (signs == signs[:, :1]).all()
    assert np.mean(signs[:, 0] < 0) == pytest.approx(0.2, abs=0.04)


def test_the_same_seed_and_input_give_the_same_spikes():
    noise = np.random.default_rng(1).random((100, 300)) * 0.2
    runs = [
        [network.step(row).tolist() for row in noise] for network in (LeakyIntegrateAndFire(300, seed=5) for _ in "ab")
    ]
    assert runs[0] == runs[1]
    assert any(runs[0])


def test_every_synapse_has_two_ends():
    network = LeakyIntegrateAndFire(100, 7)
    halves = (0, 30), (30, 100)
    assert network.synapse_count == 700
    assert sum(network.incoming(*half) for half in halves) == 700
    assert [network.outgoing(*half) for half in halves] == [210, 490]


def test_more_input_makes_more_spikes_and_the_network_never_runs_away():
    noise = np.random.default_rng(1)

    def share(level):
        network = LeakyIntegrateAndFire(4000)
        counts = [network.step(level + noise.random(4000, np.float32) * 0.16).size for _ in range(200)]
        return np.mean(counts[50:]) / 4000

    shares = [share(level) for level in (0.0, 0.05, 0.1)]
    assert 0.005 < shares[0] < shares[1] < shares[2] < 0.2


@pytest.mark.parametrize(
    "wrong", [{"neurons": 0}, {"fan_out": -1}, {"refractory": -1}, {"leak": 1.1}, {"inhibitory": -0.1}]
)
def test_impossible_populations_are_refused(wrong):
    with pytest.raises(ValueError, match=r"expected .*; got"):
        LeakyIntegrateAndFire(**{"neurons": 10, **wrong})
