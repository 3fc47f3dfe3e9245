"""The states and types of the live region, with the numbers the core gives them."""

from __future__ import annotations

from enum import IntEnum

from corestate._binding import lib


class BurstEngineState(IntEnum):
    """What the burst engine is doing."""

    UNAVAILABLE = lib.CS_BURST_UNAVAILABLE
    INITIALIZING = lib.CS_BURST_INITIALIZING
    READY = lib.CS_BURST_READY
    RUNNING = lib.CS_BURST_RUNNING
    PAUSED = lib.CS_BURST_PAUSED
    ERROR = lib.CS_BURST_ERROR
    LIGHT_SLEEP = lib.CS_BURST_LIGHT_SLEEP
    DEEP_SLEEP = lib.CS_BURST_DEEP_SLEEP


class GenomeState(IntEnum):
    """Where the genome is between disk and memory."""

    MISSING = lib.CS_GENOME_MISSING
    LOADING = lib.CS_GENOME_LOADING
    LOADED = lib.CS_GENOME_LOADED
    SAVING = lib.CS_GENOME_SAVING
    ERROR = lib.CS_GENOME_ERROR


class ConnectomeState(IntEnum):
    """What is happening to the connectome."""

    MISSING = lib.CS_CONNECTOME_MISSING
    INITIALIZING = lib.CS_CONNECTOME_INITIALIZING
    UPDATING = lib.CS_CONNECTOME_UPDATING
    READY = lib.CS_CONNECTOME_READY
    SNAPSHOTTING = lib.CS_CONNECTOME_SNAPSHOTTING
    ERROR = lib.CS_CONNECTOME_ERROR


class ServiceState(IntEnum):
    """How a service is: ``fq_sampler``, ``api`` or ``zmq``."""

    UNAVAILABLE = lib.CS_SERVICE_UNAVAILABLE
    INITIALIZING = lib.CS_SERVICE_INITIALIZING
    READY = lib.CS_SERVICE_READY
    DEGRADED = lib.CS_SERVICE_DEGRADED
    ERROR = lib.CS_SERVICE_ERROR


class AgentType(IntEnum):
    """What an agent is there for."""

    SENSORY = lib.CS_AGENT_SENSORY
    MOTOR = lib.CS_AGENT_MOTOR
    BOTH = lib.CS_AGENT_BOTH
    VISUALIZATION = lib.CS_AGENT_VISUALIZATION
    INFRASTRUCTURE = lib.CS_AGENT_INFRASTRUCTURE


class AgentStatus(IntEnum):
    """Where an agent is in its life.

    ``FAILED`` and ``CANCELLED`` are final; stopped or completed to running is a restart.
    """

    STARTING = lib.CS_AGENT_STARTING
    RUNNING = lib.CS_AGENT_RUNNING
    PAUSED = lib.CS_AGENT_PAUSED
    WAITING = lib.CS_AGENT_WAITING
    SUSPENDED = lib.CS_AGENT_SUSPENDED
    STOPPED = lib.CS_AGENT_STOPPED
    COMPLETED = lib.CS_AGENT_COMPLETED
    FAILED = lib.CS_AGENT_FAILED
    CANCELLED = lib.CS_AGENT_CANCELLED


class DeregisterReason(IntEnum):
    """Why an agent left the registry."""

    DEREGISTERED = lib.CS_REASON_DEREGISTERED
    SILENT = lib.CS_REASON_SILENT
    DEAD = lib.CS_REASON_DEAD


class Verdict(IntEnum):
    """What health comes to; also the exit code of ``corestate health``."""

    OK = lib.CS_HEALTH_OK
    DEGRADED = lib.CS_HEALTH_DEGRADED
    FAILED = lib.CS_HEALTH_FAILED
