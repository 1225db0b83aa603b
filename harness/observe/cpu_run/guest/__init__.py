"""What runs inside the sandbox: a server with torch loaded, and the children that it forks."""
