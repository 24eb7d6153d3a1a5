"""`python -m pstmo_ros.bench`, where `ros2 run` is not installed."""

import sys

from pstmo_ros.bench import main

if __name__ == "__main__":
    sys.exit(main())
