package lockkeeper.peers;

/**
 * Runs every operation of the plain ZooKeeper client against a server.
 *
 * <p>Arguments: connect string, then any of {@code --ttl} (the server keeps TTL znodes),
 * {@code --ensemble} (the server is a member of an ensemble), {@code --harness} (someone answers
 * requests on standard input). Prints {@code ok NAME} or {@code failed NAME: REASON} per check,
 * then {@code summary PASSED FAILED}; exits with 1 if anything failed.
 */
public final class JavaClientOps {
    private JavaClientOps() { }

    public static void main(String[] args) throws Exception {
        boolean ttl = false;
        boolean ensemble = false;
        boolean harness = false;
        for (int i = 1; i < args.length; i++) {
            switch (args[i]) {
                case "--ttl":
                    ttl = true;
                    break;
                case "--ensemble":
                    ensemble = true;
                    break;
                case "--harness":
                    harness = true;
                    break;
                default:
                    throw new IllegalArgumentException(args[i]);
            }
        }
        Checks checks = new Checks(args[0], harness);
        TreeChecks.addTo(checks, ttl, ensemble);
        MultiChecks.addTo(checks);
        AccessChecks.addTo(checks);
        WatchChecks.addTo(checks);
        SessionChecks.addTo(checks);
        System.exit(checks.runAll() == 0 ? 0 : 1);
    }
}
