"""Seeded kill -9 and restart of the real daemon under load, and what must hold afterwards.

    plan ──▶ trial (venue + daemon as a child) ──▶ evidence (what is on disk) ──▶ checks

``python -m tests.simulate --seeds 20`` plays seeds 0 … 19; ``--seed 7`` plays one again. A seed
decides the plan: the load, the ends of the runs, the faults between. The moments are of the real
clock, so that a plan that failed once may need a few plays to fail again.
"""
