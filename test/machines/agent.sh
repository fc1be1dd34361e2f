#!/bin/bash
# Runs what the test sends, one script at a time. A request is one line, the script in base64; the answer is one line, the
# exit status and the output in base64.
exec 3<>/dev/virtio-ports/agent
echo ready >&3
while read -r line <&3; do
  base64 -d <<<"$line" >/run/agent-script
  setsid env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    bash /run/agent-script >/run/agent-output 2>&1 </dev/null 3>&-
  echo "$? $(base64 -w0 /run/agent-output)" >&3
done
