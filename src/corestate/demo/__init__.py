"""The demonstration: a burst engine, agents and an observer, each its own process, on one region.

``corestate demo`` runs it. The parts are meant to be read and reused:

- `corestate.demo.neurons`: leaky integrate-and-fire neurons in NumPy.
- `corestate.demo.engine`: the burst engine around them, the program a user starts from.
- `corestate.demo.machine`: what this machine is doing, as numbers from 0 to 1.
- `corestate.demo.sensory`, `corestate.demo.motor`: the agents.
- `corestate.demo.observer`: the live view, read-only.
- `corestate.demo.roles`: makes each of them a process.
- `corestate.demo.run`: starts them, kills one, and checks that every event arrived.
"""
