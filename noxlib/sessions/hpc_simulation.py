"""``hpc_simulation``: a Slurm cluster as containers on this machine, up until it is taken down."""

from __future__ import annotations

from noxlib.engines.slurm_cluster import Simulation
from noxlib.sessions import hpc, hpc_results, placing, reaping
from noxlib.sessions.arguments import DRY_RUN, Option, no_rest
from noxlib.sessions.context import Context, say

DOWN = Option("--down", "take the cluster down, with all that is on it")
IMAGE = Option("--image", "build its image, and nothing more")


def run(context: Context) -> None:
    """Carry the step out."""
    arguments = context.parse(DOWN, IMAGE, DRY_RUN)
    no_rest(context.session, arguments)
    simulation = Simulation(placing.engine())
    name = f"{simulation.project} ({simulation.image})"
    if arguments["dry_run"]:
        say(f"{context.session}: would {'take down' if arguments['down'] else 'bring up'} {name}")
        return
    reaping.sweep(context.root)
    if arguments["down"]:
        say(f"{context.session}: {'down' if simulation.down() else 'it was not up'}: {simulation.project}")
        hpc_results.give_up(context.root, hpc.SIMULATION)
        return
    built = simulation.build()
    if arguments["image"]:
        say(f"{context.session}: {simulation.image} {'built' if built else 'was there'}")
        return
    seconds = simulation.up()
    say(f"{context.session}: up after {seconds:.1f} s, three nodes idle: {simulation.target()}")
    say(f"  nox -s hpc_submit -- --host {hpc.SIMULATION}; nox -s {context.session} -- --down takes it down")
