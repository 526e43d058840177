export default () => <p>the same for all</p>
