"""The libraries that peers.py measures kvcc against, one a file. common, kvcc, ggml and venv need Python alone; the others run in the
venv that `venv` makes, as one program: `python -m peer.program`."""
import pathlib

HERE = pathlib.Path(__file__).resolve().parents[1]  # where peers.py is
