# The door that npm and node-gyp expect. What is behind it is CMakeLists.txt, built by cmake-js.
{
  "targets": [
    {
      "target_name": "cmake",
      "type": "none",
      "actions": [
        {
          "action_name": "build everything native",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["build/Release/pam_duo_ts.so", "build/Release/unix.node"],
          "action": ["node", "scripts/build.ts", "native"]
        }
      ]
    }
  ]
}
