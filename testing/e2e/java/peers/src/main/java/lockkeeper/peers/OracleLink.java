package lockkeeper.peers;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/** One contender's connection to the exclusion oracle of the harness. */
final class OracleLink implements AutoCloseable {
    private final Socket socket;
    private final BufferedReader answers;
    private final OutputStream lines;

    OracleLink(String address) throws IOException {
        int colon = address.lastIndexOf(':');
        socket = new Socket(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1)));
        socket.setTcpNoDelay(true);
        answers = new BufferedReader(
                new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
        lines = socket.getOutputStream();
    }

    /** Reports that the section was entered; throws if the oracle objects. */
    void enter(String who, String fence, String sequence) throws IOException {
        ask("enter " + who + " " + fence + " " + sequence);
    }

    /** Reports that the section was entered by one who shares it. */
    void share(String who) throws IOException {
        ask("share " + who);
    }

    /** Reports that the section is about to be left. */
    void exit(String who) throws IOException {
        ask("exit " + who);
    }

    private void ask(String line) throws IOException {
        lines.write((line + "\n").getBytes(StandardCharsets.UTF_8));
        lines.flush();
        String answer = answers.readLine();
        if (!"ok".equals(answer)) {
            throw new IOException(line + " answered with " + answer);
        }
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
